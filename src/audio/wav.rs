//! RIFF chunks beside the audio: cue points with labels, and INFO texts.
//!
//! `cue `, `LIST adtl` and `LIST INFO` as in the Multimedia Programming Interface and
//! Data Specifications 1.0 (IBM and Microsoft, 1991), chapter 3.

/// Where the content of the `data` chunk begins in our files: RIFF, `fmt ` (16 bytes), `data`.
pub const DATA_OFFSET: u64 = 44;

/// One cue point: a position with a text, and a length where it is a stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// In samples of one channel.
    pub at: u32,
    /// In samples; 0 for a moment.
    pub length: u32,
    pub text: String,
}

/// The chunks that follow the audio: `cue `, `LIST adtl` (only with cues), `LIST INFO`.
/// `info` holds four-letter names such as `INAM` and their texts.
pub fn trailer(cues: &[Cue], info: &[([u8; 4], String)]) -> Vec<u8> {
    let mut out = Vec::new();
    if !cues.is_empty() {
        chunk(&mut out, *b"cue ", &cue_points(cues));
        chunk(&mut out, *b"LIST", &adtl(cues));
    }
    if !info.is_empty() {
        let mut body = b"INFO".to_vec();
        for (name, text) in info {
            chunk(&mut body, *name, &zero_terminated(text));
        }
        chunk(&mut out, *b"LIST", &body);
    }
    out
}

fn cue_points(cues: &[Cue]) -> Vec<u8> {
    let mut body = le(cues.len());
    for (id, cue) in (1u32..).zip(cues) {
        body.extend(id.to_le_bytes());
        body.extend(cue.at.to_le_bytes());
        body.extend(*b"data");
        body.extend(0u32.to_le_bytes());
        body.extend(0u32.to_le_bytes());
        body.extend(cue.at.to_le_bytes());
    }
    body
}

fn adtl(cues: &[Cue]) -> Vec<u8> {
    let mut body = b"adtl".to_vec();
    for (id, cue) in (1u32..).zip(cues) {
        let mut label = id.to_le_bytes().to_vec();
        label.extend(zero_terminated(&cue.text));
        chunk(&mut body, *b"labl", &label);
        if cue.length > 0 {
            let mut stretch = id.to_le_bytes().to_vec();
            stretch.extend(cue.length.to_le_bytes());
            stretch.extend(*b"rgn ");
            stretch.extend([0; 8]);
            chunk(&mut body, *b"ltxt", &stretch);
        }
    }
    body
}

fn zero_terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.replace('\0', " ").into_bytes();
    bytes.push(0);
    bytes
}

/// Appends a chunk, padded to an even length; the pad byte does not count.
fn chunk(out: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    out.extend(name);
    out.extend(le(body.len()));
    out.extend(body);
    if body.len() % 2 == 1 {
        out.push(0);
    }
}

fn le(length: usize) -> Vec<u8> {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes().to_vec()
}

/// The two sizes in the header of a file whose audio has `data` bytes and whose trailer
/// has `trailer` bytes, each with its offset: `RIFF` at 4, `data` at 40.
pub fn sizes(data: u64, trailer: u64) -> [(u64, [u8; 4]); 2] {
    let riff = DATA_OFFSET - 8 + data + trailer;
    let clamp = |size: u64| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
    [(4, clamp(riff)), (40, clamp(data))]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks the chunks and returns their names and lengths.
    fn walk(bytes: &[u8]) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at + 8 <= bytes.len() {
            let name = String::from_utf8_lossy(&bytes[at..at + 4]).into_owned();
            let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            found.push((name, length));
            at += 8 + length + length % 2;
        }
        assert_eq!(at, bytes.len(), "chunks fill the trailer exactly");
        found
    }

    #[test]
    fn a_trailer_is_a_row_of_padded_chunks() {
        let cues = [Cue { at: 0, length: 0, text: "start".into() }, Cue { at: 800, length: 160, text: "pause".into() }];
        let bytes = trailer(&cues, &[(*b"INAM", "call".into())]);
        let names: Vec<String> = walk(&bytes).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["cue ", "LIST", "LIST"]);
        assert_eq!(walk(&bytes)[0].1, 4 + 2 * 24);
    }

    #[test]
    fn nothing_to_say_is_no_trailer() {
        assert!(trailer(&[], &[]).is_empty());
    }
}
