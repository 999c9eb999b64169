//! The files of an archive while it is made: the ZIP, and its two indexes beside it until the end.

use super::ExportSettings;
use crate::api::Problem;
use crate::archive::{Bundle, FILE_MODE, FOLDER_MODE, Rest, file_digest};
use crate::base::{Rate, Samples};
use crate::ledger::{MessageRecord, RecordingRecord};
use crate::store::{MadeExport, StoreError};
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The first line of the index.
const HEAD: &str = "call,started,answered,ended,direction,outcome,missed,caller,caller_name,callee,callee_name,number,\
                    inbox,recorded,because,recording,file,recording_started,length_ms,bytes,audio_sha256\r\n";

/// Where the columns of a call are in its JSON.
const OF_CALL: [&str; 15] = [
    "/id",
    "/started",
    "/answered",
    "/ended",
    "/direction",
    "/outcome",
    "/missed",
    "/caller/address",
    "/caller/name",
    "/callee/address",
    "/callee/name",
    "/number",
    "/inbox",
    "/record",
    "/because",
];
const OF_FILE: [&str; 6] = ["recording", "file", "started", "length_ms", "bytes", "audio_sha256"];

/// Why one is not made.
#[derive(Debug, thiserror::Error)]
pub enum Unmade {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    File(#[from] io::Error),
    /// For people: what they can do about it.
    #[error("{0}")]
    Told(String),
    /// Removed or withdrawn in the meantime.
    #[error("it is not wanted any more")]
    Over,
}

impl From<Problem> for Unmade {
    fn from(problem: Problem) -> Self {
        Unmade::Told(problem.to_string())
    }
}

/// One call for the index, and its files.
pub struct Entry {
    pub item: Value,
    pub recordings: Vec<RecordingRecord>,
}

/// What is written: moved to where files may be waited for, and back.
pub struct Work {
    bundle: Bundle<BufWriter<File>>,
    csv: BufWriter<File>,
    json: BufWriter<File>,
    made: MadeExport,
    /// Of the index: voicemail of the number that was asked for.
    messages: Vec<Value>,
    recordings: PathBuf,
    settings: ExportSettings,
}

impl Work {
    pub fn begin(settings: ExportSettings, recordings: PathBuf, id: i64) -> Result<Self, Unmade> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&settings.dir)?;
        let bundle = Bundle::create(&settings.dir.join(format!("{id}.zip.tmp")))?;
        let mut csv = index(&settings.dir, id, "csv")?;
        csv.write_all(HEAD.as_bytes())?;
        let mut json = index(&settings.dir, id, "json")?;
        json.write_all(b"{\"calls\":[")?;
        Ok(Work { bundle, csv, json, made: MadeExport::default(), messages: Vec::new(), recordings, settings })
    }

    pub fn add(mut self, entries: Vec<Entry>) -> Result<Self, Unmade> {
        for Entry { mut item, recordings } in entries {
            let mut files = Vec::new();
            for recording in &recordings {
                files.extend(self.file(recording)?);
            }
            self.write_csv(&item, &files)?;
            if let Some(fields) = item.as_object_mut() {
                fields.insert("files".to_owned(), Value::Array(files));
            }
            let comma = if self.made.calls == 0 { "\n" } else { ",\n" };
            self.json.write_all(comma.as_bytes())?;
            serde_json::to_writer(&mut self.json, &item).map_err(io::Error::from)?;
            self.made.calls += 1;
        }
        Ok(self)
    }

    /// Adds the audio; `None` where it has gone in the meantime, which ends this archive anyway.
    fn file(&mut self, recording: &RecordingRecord) -> Result<Option<Value>, Unmade> {
        self.has_room(recording.bytes)?;
        let rest = Rest::of(&self.recordings, &recording.path);
        let audio = match File::open(&rest.wav) {
            Ok(audio) => audio,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let started = recording.started.to_string();
        let name = format!("recordings/{}_{}.wav", started.get(..10).unwrap_or("undated"), recording.id);
        let bytes = self.bundle.add(&name, audio)?;
        self.made.recordings += 1;
        Ok(Some(json!({
            "recording": recording.id,
            "file": name,
            "state": recording.state,
            "started": started,
            "length_ms": Rate(recording.rate).span(Samples(recording.samples)).as_millis(),
            "rate": recording.rate,
            "channels": recording.sidecar.channels,
            "bytes": bytes,
            "audio_sha256": recording.audio_sha256,
            "frame_sha256": recording.frame_sha256,
        })))
    }

    /// Room for so many bytes more, in the archive and on the disk.
    fn has_room(&self, bytes: u64) -> Result<(), Unmade> {
        let ExportSettings { dir, max_bytes, reserve, .. } = &self.settings;
        if self.bundle.bytes().saturating_add(bytes) > *max_bytes {
            let most = max_bytes >> 20;
            let text = format!("it would be larger than {most} MiB: ask for less, e.g. with `from` and `until`");
            return Err(Unmade::Told(text));
        }
        let disk = rustix::fs::statvfs(dir).map_err(io::Error::from)?;
        match disk.f_bavail.saturating_mul(disk.f_frsize) < reserve.saturating_add(bytes) {
            true => Err(Unmade::Told("the disk has no room for it: recordings go first".to_owned())),
            false => Ok(()),
        }
    }

    /// Adds voicemail; without what has gone in the meantime.
    pub fn add_messages(mut self, messages: Vec<(MessageRecord, Value)>) -> Result<Self, Unmade> {
        for (message, mut item) in messages {
            self.has_room(message.bytes)?;
            let audio = match File::open(self.recordings.join(&message.path)) {
                Ok(audio) => audio,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let left = message.left.to_string();
            let name = format!("messages/{}_{}.wav", left.get(..10).unwrap_or("undated"), message.id);
            self.bundle.add(&name, audio)?;
            if let Some(fields) = item.as_object_mut() {
                fields.insert("file".to_owned(), name.into());
            }
            self.messages.push(item);
        }
        Ok(self)
    }

    /// A line a recording; one for a call without any.
    fn write_csv(&mut self, item: &Value, files: &[Value]) -> io::Result<()> {
        let call = OF_CALL.map(|path| cell(&item.pointer(path).map(text).unwrap_or_default()));
        let none = [Value::Null];
        for file in if files.is_empty() { &none } else { files } {
            let file = OF_FILE.map(|key| cell(&file.get(key).map(text).unwrap_or_default()));
            write!(self.csv, "{},{}\r\n", call.join(","), file.join(","))?;
        }
        Ok(())
    }

    /// What was written with the number, beside the calls with it.
    pub fn add_texts(mut self, texts: &Value) -> Result<Self, Unmade> {
        let text = serde_json::to_vec_pretty(texts).map_err(io::Error::from)?;
        self.bundle.add("texts.json", text.as_slice())?;
        Ok(self)
    }

    pub fn finish(mut self, id: i64) -> Result<MadeExport, Unmade> {
        self.csv.flush()?;
        self.json.write_all(b"\n],\"messages\":")?;
        serde_json::to_writer(&mut self.json, &self.messages).map_err(io::Error::from)?;
        self.json.write_all(b"}\n")?;
        self.json.flush()?;
        let dir = &self.settings.dir;
        for ending in ["csv", "json"] {
            let path = dir.join(format!("{id}.{ending}.tmp"));
            self.bundle.add(&format!("index.{ending}"), File::open(&path)?)?;
            fs::remove_file(path)?;
        }
        self.bundle.finish()?;
        let draft = dir.join(format!("{id}.zip.tmp"));
        let (sha256, bytes) = file_digest(&draft)?;
        fs::rename(draft, dir.join(format!("{id}.zip")))?;
        Ok(MadeExport { bytes, sha256, ..self.made })
    }
}

fn index(dir: &Path, id: i64, ending: &str) -> io::Result<BufWriter<File>> {
    let path = dir.join(format!("{id}.{ending}.tmp"));
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    Ok(BufWriter::new(file))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A cell (RFC 4180). What a spreadsheet would take for a formula is told as text; a number with its `+`
/// is none.
fn cell(text: &str) -> String {
    let number = text.strip_prefix(['+', '-']).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number;
    let quote = if formula { "'" } else { "" };
    format!("\"{quote}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_breaks_out() {
        for (text, expected) in [
            ("Alice", "\"Alice\""),
            ("a \"b\", c", "\"a \"\"b\"\", c\""),
            ("+16660000", "\"+16660000\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+1+1", "\"'+1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("", "\"\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
