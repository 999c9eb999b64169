use super::*;
use crate::base::{CompanyId, UserId};
use crate::store::Access;
use sqlx::ConnectOptions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

struct Lab {
    folder: TempDir,
    store: Store,
    config: AuditConfig,
}

impl Lab {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("t.db")).await.unwrap();
        let config = AuditConfig { key: folder.path().join("key.p8"), heads: folder.path().join("heads.jsonl") };
        Lab { folder, store, config }
    }

    /// So many lines more, and a head.
    async fn day(&self, lines: usize, at: i64) {
        for _ in 0..lines {
            let access = Access {
                at: Wall::from_unix_micros(at),
                company: CompanyId(1),
                user: Some(UserId(7)),
                who: "201 Alice".to_owned(),
                source: "192.0.2.9".to_owned(),
                action: "recording.play".to_owned(),
                thing: "recording x".to_owned(),
            };
            self.store.log_access(&access).await.unwrap();
        }
        assert!(write(&self.store, &self.config, Wall::from_unix_micros(at)).await);
    }

    async fn verify(&self) -> Result<Proven, Vec<String>> {
        verify(&self.store, &self.config, None).await.unwrap()
    }

    /// Whoever has the file can do what the database itself takes from nobody.
    async fn tamper(&self, sql: &str) {
        let path: PathBuf = self.folder.path().join("t.db");
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let sql = format!("DROP TRIGGER access_log_stays; DROP TRIGGER access_log_is_kept; {sql}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }

    fn edit_heads(&self, edit: impl Fn(Vec<&str>) -> Vec<String>) {
        let text = fs::read_to_string(&self.config.heads).unwrap();
        let edited = edit(text.lines().collect()).join("\n");
        fs::write(&self.config.heads, format!("{edited}\n")).unwrap();
    }
}

#[tokio::test]
async fn a_log_and_its_heads_agree_and_an_unchanged_log_gets_no_second_head() {
    let lab = Lab::new().await;
    let before = lab.verify().await.unwrap();
    assert_eq!((before.heads, before.public_key), (0, None), "no service has run yet");
    lab.day(0, 1).await;
    lab.day(3, 2).await;
    lab.day(0, 3).await;
    lab.day(2, 4).await;
    let proven = lab.verify().await.unwrap();
    assert_eq!((proven.lines, proven.heads, proven.last.unwrap().seq), (5, 3, 5));
    let written_down = proven.public_key.unwrap();
    let again = verify(&lab.store, &lab.config, Some(&written_down)).await.unwrap();
    assert!(again.is_ok(), "as it was written down elsewhere");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&lab.config.key), mode(&lab.config.heads)), (0o600, 0o600));
}

#[tokio::test]
async fn a_tail_that_was_cut_off_shows_though_the_chain_is_whole() {
    let lab = Lab::new().await;
    lab.day(3, 1).await;
    lab.day(2, 2).await;
    lab.tamper("DELETE FROM access_log WHERE seq > 3").await;
    assert!(lab.store.verify_access_log().await.unwrap().is_ok(), "the chain alone does not see it");
    let wrong = lab.verify().await.unwrap_err();
    assert!(wrong.len() == 1 && wrong[0].contains("had 5 lines and has 3"), "{wrong:?}");
}

#[tokio::test]
async fn a_log_that_was_written_anew_from_a_changed_line_on_shows() {
    let lab = Lab::new().await;
    lab.day(3, 1).await;
    // Whoever knows how the chain is made makes one that is whole.
    lab.tamper("DELETE FROM access_log WHERE seq > 1").await;
    let (old, config) = (lab.config.heads.clone(), lab.config.clone());
    let aside = lab.folder.path().join("aside");
    fs::rename(&old, &aside).unwrap();
    lab.day(4, 9).await;
    fs::rename(&aside, &config.heads).unwrap();
    assert!(lab.store.verify_access_log().await.unwrap().is_ok(), "the chain alone does not see it");
    let wrong = lab.verify().await.unwrap_err();
    assert!(wrong.len() == 1 && wrong[0].contains("line 3 of the log"), "{wrong:?}");
}

#[tokio::test]
async fn a_head_that_was_edited_taken_out_or_signed_by_another_shows() {
    let edits: [(&str, fn(Vec<&str>) -> Vec<String>, &str); 4] = [
        (
            "edited",
            |lines| lines.iter().map(|line| line.replace("\"seq\":3", "\"seq\":2")).collect(),
            "the signature is not that of the key",
        ),
        (
            "taken out of the middle",
            |lines| lines.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| (*line).to_owned()).collect(),
            "the one before it was changed or taken out",
        ),
        ("all taken away", |_| Vec::new(), "has no head of the log"),
        ("made unreadable", |lines| lines.iter().map(|line| line.replace('{', "")).collect(), "cannot be read"),
    ];
    for (name, edit, told) in edits {
        let lab = Lab::new().await;
        for (lines, at) in [(2, 1), (1, 2), (1, 3)] {
            lab.day(lines, at).await;
        }
        assert!(lab.verify().await.is_ok());
        lab.edit_heads(edit);
        let wrong = lab.verify().await.unwrap_err();
        assert!(wrong.iter().any(|wrong| wrong.contains(told)), "{name}: {wrong:?}");
    }
    let lab = Lab::new().await;
    lab.day(2, 1).await;
    let written_down = lab.verify().await.unwrap().public_key.unwrap();
    fs::remove_file(&lab.config.key).unwrap();
    fs::remove_file(&lab.config.heads).unwrap();
    lab.day(0, 2).await;
    assert!(lab.verify().await.is_ok(), "with a key of their own they agree");
    let wrong = verify(&lab.store, &lab.config, Some(&written_down)).await.unwrap().unwrap_err();
    assert!(wrong[0].contains("the signature is not that of the key"), "not with the key that was written down");
}
