//! `doctor`, by the binary itself, on deployments that are right and on such that are not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where its expectation fails"
)]
#![allow(dead_code, reason = "the scene serves other tests too")]

#[path = "process/mod.rs"]
mod process;
#[path = "scene/mod.rs"]
mod scene;

use process::{Home, data_dir};
use scene::Scene;
use serde_json::Value;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SCENE: Scene = Scene("examined");

/// A deployment with what stands below `[sip]` in its configuration.
fn deployment(folder: &Path, more: &str) -> Home {
    let home = Home { binary: env!("CARGO_BIN_EXE_telegraphone").into(), folder: folder.to_owned() };
    home.set_up(more, &SCENE.company());
    home
}

/// What failed, as (check, what was found, the way out).
fn failures(home: &Home) -> Vec<(String, String, String)> {
    let found = home.ask(&["doctor"])["findings"].clone();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let failed = found.as_array().unwrap().iter().filter(|finding| finding["verdict"] == "fail");
    let failed: Vec<_> = failed.map(|one| (text(one, "check"), text(one, "found"), text(one, "way_out"))).collect();
    // The command ends as what it found says.
    let (done, said) = home.run(&["doctor"]);
    assert_eq!(done, failed.is_empty(), "{said}");
    assert_eq!(said.contains("FAIL"), !failed.is_empty(), "{said}");
    assert_eq!(said.contains(&format!("{} check(s) failed", failed.len())), !failed.is_empty(), "{said}");
    failed
}

fn only(home: &Home) -> (String, String, String) {
    let failed = failures(home);
    let [one] = failed.as_slice() else { panic!("one failure: {failed:?}") };
    assert!(!one.2.is_empty(), "there is a way out: {one:?}");
    one.clone()
}

#[test]
fn a_deployment_that_is_right_is_told_to_be_running_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let home = deployment(folder.path(), "[http]\nlisten = [\"127.0.0.1:0\"]\n");
    assert_eq!(failures(&home), []);
    let checks = |home: &Home| -> Vec<String> {
        let found = home.ask(&["doctor"])["findings"].clone();
        found.as_array().unwrap().iter().map(|one| one["check"].as_str().unwrap().to_owned()).collect()
    };
    for check in
        ["configuration", "database", "disk", "permissions", "certificate", "clock", "file limit", "media ports"]
    {
        assert!(checks(&home).iter().any(|one| one == check), "{check} in {:?}", checks(&home));
    }
    let service = home.serve();
    assert_eq!(failures(&home), [], "its own ports are no other program's");
    assert!(checks(&home).iter().any(|one| one == "trunk"), "a running one tells of its trunks");
    drop(service);
}

#[test]
fn a_configuration_that_is_wrong_is_told_key_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let home = deployment(folder.path(), "");
    let file = folder.path().join("telegraphone.toml");
    let right = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{right}timer_t1_ms = 1\ncolour = \"blue\"\n")).unwrap();
    let failed = failures(&home);
    assert!(failed.iter().all(|(check, _, _)| check == "configuration") && failed.len() == 2, "{failed:?}");
    assert!(failed.iter().any(|(_, found, _)| found.contains("sip.timer_t1_ms: 1 is out of range")), "{failed:?}");
    std::fs::write(&file, format!("{right}[tls]\ncertificate = \"none.crt\"\nkey = \"none.key\"\n")).unwrap();
    let (check, found, _) = only(&home);
    assert!(check == "certificate" && found.contains("none.crt"), "{found}");
}

#[test]
fn what_everybody_reads_and_a_database_that_is_none_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let home = deployment(folder.path(), "");
    let database = data_dir(folder.path()).join("telegraphone.db");
    let mode = |mode: u32| std::fs::set_permissions(&database, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let (check, found, way) = only(&home);
    assert!(check == "permissions" && found.contains("telegraphone.db") && way.starts_with("chmod o= "), "{found}");
    mode(0o600);
    assert_eq!(failures(&home), []);
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(database.with_extension(format!("db{ending}")));
    }
    std::fs::write(&database, vec![7; 8_192]).unwrap();
    let (check, _, way) = only(&home);
    assert!(check == "database" && way.contains("telegraphone restore"), "{way}");
}

#[test]
fn ports_that_others_have_and_a_disk_without_room_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let home = deployment(folder.path(), "");
    let file = folder.path().join("telegraphone.toml");
    let right = std::fs::read_to_string(&file).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = udp.local_addr().unwrap().to_string();
    std::fs::write(&file, right.replace("127.0.0.1:0", &taken)).unwrap();
    assert!(only(&home).1.contains("another program has it"));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = format!("{right}[http]\nlisten = [\"{}\"]\n", tcp.local_addr().unwrap());
    std::fs::write(&file, http).unwrap();
    assert!(only(&home).1.contains("another program has it"));
    // More has to be free than any disk has.
    std::fs::create_dir_all(data_dir(folder.path()).join("recordings")).unwrap();
    let recordings = data_dir(folder.path()).join("recordings");
    std::fs::set_permissions(&recordings, std::fs::Permissions::from_mode(0o700)).unwrap();
    let most = 1u64 << 43;
    std::fs::write(&file, format!("{right}[recording]\nwarn_free_mib = {most}\nrefuse_free_mib = {most}\n")).unwrap();
    let (check, found, way) = only(&home);
    assert!(check == "disk" && found.contains("MiB are free") && way.contains("make room"), "{found}: {way}");
}
