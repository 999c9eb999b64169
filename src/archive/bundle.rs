//! Many files in one: a ZIP whose members are stored as they are, above 4 GiB and 65,535 members too.

use super::{BLOCK, FILE_MODE};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// One that is being written. Nothing of it is in memory but the list of its members.
pub struct Bundle<W: Write + Seek> {
    zip: ZipWriter<W>,
    /// Bytes of its members.
    bytes: u64,
}

impl Bundle<BufWriter<File>> {
    /// Begins one at `path`, mode 0600; what was there is overwritten.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
        Ok(Bundle::new(BufWriter::with_capacity(BLOCK, file)))
    }

    /// Writes what is left, down to the disk.
    pub fn finish(self) -> io::Result<()> {
        let writer = self.zip.finish().map_err(io::Error::other)?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

impl<W: Write + Seek> Bundle<W> {
    pub fn new(writer: W) -> Self {
        Bundle { zip: ZipWriter::new(writer), bytes: 0 }
    }

    /// Bytes of its members so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a member.
    pub fn add(&mut self, name: &str, mut content: impl Read) -> io::Result<u64> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        // Its size stands in its header, which is written before the size is known.
        let options = options.large_file(true).unix_permissions(FILE_MODE);
        self.zip.start_file(name, options).map_err(io::Error::other)?;
        let bytes = io::copy(&mut content, &mut self.zip)?;
        self.bytes += bytes;
        Ok(bytes)
    }
}

/// SHA-256 of a whole file, hex, and its size.
pub fn file_digest(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let (mut digest, mut bytes, mut block) = (Sha256::new(), 0, vec![0; BLOCK]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok((hex::encode(digest.finalize()), bytes)),
            read => {
                digest.update(block.get(..read).unwrap_or(&[]));
                bytes += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::{Cursor, SeekFrom};

    #[test]
    fn what_goes_in_comes_out_also_of_very_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let mut bundle = Bundle::create(&path).unwrap();
        for member in 0..70_000u32 {
            bundle.add(&format!("{member}.txt"), Cursor::new(member.to_string())).unwrap();
        }
        bundle.finish().unwrap();
        let mut read = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(read.len(), 70_000);
        for member in [0, 65_535, 69_999] {
            let mut text = String::new();
            read.by_name(&format!("{member}.txt")).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, member.to_string());
        }
    }

    /// A file of which only what is not zero is kept.
    #[derive(Default)]
    struct Sparse {
        kept: BTreeMap<u64, Vec<u8>>,
        at: u64,
        end: u64,
    }

    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

    impl Write for Sparse {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let bytes = &bytes[..bytes.len().min(ZEROS.len())];
            if bytes != &ZEROS[..bytes.len()] {
                self.kept.insert(self.at, bytes.to_vec());
            }
            self.at += bytes.len() as u64;
            self.end = self.end.max(self.at);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Read for Sparse {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            let length = into.len().min(left).min(ZEROS.len());
            into[..length].fill(0);
            let to = self.at + length as u64;
            // In the order in which they stand; a later write of the same place replaced the first.
            for (at, bytes) in self.kept.range(self.at.saturating_sub(1 << 16)..to) {
                for (place, byte) in (*at..).zip(bytes).filter(|(place, _)| (self.at..to).contains(place)) {
                    into[usize::try_from(place - self.at).unwrap()] = *byte;
                }
            }
            self.at = to;
            Ok(length)
        }
    }

    impl Seek for Sparse {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.at = match to {
                SeekFrom::Start(at) => at,
                SeekFrom::End(by) => self.end.checked_add_signed(by).unwrap(),
                SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
            };
            Ok(self.at)
        }
    }

    #[test]
    fn above_four_gib_every_member_is_found() {
        let mut bundle = Bundle::new(Sparse::default());
        for member in 0..3 {
            bundle.add(&format!("{member}.wav"), io::repeat(0).take(3 << 29)).unwrap();
        }
        bundle.add("last.txt", Cursor::new("here")).unwrap();
        assert_eq!(bundle.bytes(), (9 << 29) + 4);
        let mut read = zip::ZipArchive::new(bundle.zip.finish().unwrap()).unwrap();
        assert_eq!(read.by_name("2.wav").unwrap().size(), 3 << 29);
        let mut text = String::new();
        read.by_name("last.txt").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
    }
}
