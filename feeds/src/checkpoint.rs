//! How does a checkpoint become bytes that outlive the process, and how are damaged ones told from whole ones?
//!
//! A line with the format, the SHA-256 of the rest, and the rest: zlib over JSON. The same checkpoint gives the same bytes.

use std::io::{self, BufWriter, Read};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rules::checkpoint::{Chapter, Checkpoint, Unsound};
use sha2::{Digest, Sha256};

const FORMAT: &[u8] = b"bgpwarden checkpoint/1\n";
const DIGEST: usize = 32;
/// Octets of JSON that are believed: 1.2 million prefixes at 100 and 200,000 offences at 2,000 are 520 MB.
const MOST: u64 = 1 << 30;

/// Why bytes are no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum BadCheckpoint {
    #[error("it is not a checkpoint of this program's format")]
    Format,
    #[error("it is damaged: its digest does not agree")]
    Damaged,
    #[error("it cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it cannot be unpacked: {0}")]
    Packed(#[from] io::Error),
    #[error("{0}")]
    Unsound(#[from] Unsound),
}

/// Everything, packed. The JSON is never whole in memory.
pub fn pack(checkpoint: &Checkpoint) -> io::Result<Vec<u8>> {
    let mut out = FORMAT.to_vec();
    out.resize(FORMAT.len() + DIGEST, 0);
    let mut packed = BufWriter::with_capacity(1 << 16, ZlibEncoder::new(out, Compression::fast()));
    serde_json::to_writer(&mut packed, checkpoint)?;
    let mut out = packed.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
    let (head, body) = out.split_at_mut(FORMAT.len() + DIGEST);
    head[FORMAT.len()..].copy_from_slice(&Sha256::digest(body));
    Ok(out)
}

/// Whatever is not whole, of another version or senseless is an error, and never more.
pub fn unpack(bytes: &[u8]) -> Result<Checkpoint, BadCheckpoint> {
    let rest = bytes.strip_prefix(FORMAT).ok_or(BadCheckpoint::Format)?;
    let (digest, body) = rest.split_at_checked(DIGEST).ok_or(BadCheckpoint::Damaged)?;
    if Sha256::digest(body)[..] != *digest {
        return Err(BadCheckpoint::Damaged);
    }
    let mut json = Vec::new();
    ZlibDecoder::new(body).take(MOST).read_to_end(&mut json)?;
    let checkpoint: Checkpoint = serde_json::from_slice(&json)?;
    checkpoint.check()?;
    Ok(checkpoint)
}

/// A chapter as JSON.
pub fn chapter_bytes(chapter: &Chapter) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(chapter)?)
}

/// What [`chapter_bytes`] wrote; none if it is damaged.
pub fn chapter(bytes: &[u8]) -> Option<Chapter> {
    let chapter: Chapter = serde_json::from_slice(bytes).ok()?;
    chapter.check().ok().map(|()| chapter)
}

#[cfg(test)]
mod tests {
    use rules::bgp::Timestamp;
    use rules::checkpoint::{DeskMemory, VERSION};

    use super::*;

    fn empty(version: u32) -> Checkpoint {
        let desk = DeskMemory::default();
        Checkpoint { version, seq: 7, at: Timestamp::from_secs(1_772_323_200), desk, prefixes: Vec::new() }
    }

    #[test]
    fn a_checkpoint_comes_back_and_gives_the_same_bytes() {
        let bytes = pack(&empty(VERSION)).expect("it is packed");
        let back = unpack(&bytes).expect("it is whole");
        assert_eq!((back.seq, back.at), (7, Timestamp::from_secs(1_772_323_200)));
        assert_eq!(pack(&back).expect("it is packed"), bytes);
    }

    #[test]
    fn every_damage_is_noticed() {
        let bytes = pack(&empty(VERSION)).expect("it is packed");
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x40;
            assert!(unpack(&damaged).is_err(), "octet {i}");
            assert!(unpack(&bytes[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let bytes = pack(&empty(VERSION + 1)).expect("it is packed");
        let error = unpack(&bytes).expect_err("another version").to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
