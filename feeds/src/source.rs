//! Where do the bytes come from, and are they compressed?

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;

use crate::counts::kind;
use crate::http_file::{self, Patience};
use crate::input::InputError;

pub(crate) type Stream = Box<dyn Read + Send>;

/// A stream of unpacked bytes, and how far into the packed ones it is.
pub(crate) struct Source {
    pub stream: Stream,
    pub read: Arc<AtomicU64>,
    pub of: Option<u64>,
}

/// Octets looked at before the kind of a file is said.
const PEEK: usize = 64;
/// Unpacked bytes of a file that is read whole: ten times the largest published VRP file.
const WHOLE_FILE: u64 = 1 << 30;

/// Opens a path, an http(s) URL, or `-` for stdin.
pub(crate) fn open(path: &str) -> Result<Source, InputError> {
    let (stream, of): (Stream, _) = if path == "-" {
        (Box::new(io::stdin()), None)
    } else if path.starts_with("http://") || path.starts_with("https://") {
        let download = http_file::open(path, Patience::default())
            .map_err(|refused| InputError::content(path, refused.to_string()))?;
        let of = download.length;
        (Box::new(download), of)
    } else {
        let file = File::open(path).map_err(|error| InputError::open(path, error))?;
        let about = file.metadata().map_err(|error| InputError::open(path, error))?;
        if about.is_dir() {
            return Err(InputError::content(path, "is a directory; name the files in it"));
        }
        (Box::new(file), about.is_file().then_some(about.len()))
    };
    unpacked(stream, of, path)
}

/// The same from bytes.
pub(crate) fn from_bytes(bytes: Bytes, name: &str) -> Result<Source, InputError> {
    let of = Some(bytes.len() as u64);
    unpacked(Box::new(Cursor::new(bytes)), of, name)
}

/// All of it, unpacked: for files that only make sense whole.
pub fn read_whole(path: &str) -> Result<Vec<u8>, InputError> {
    whole(open(path)?, path)
}

/// The same from bytes, `name` standing for the path in errors.
pub(crate) fn unpack(bytes: &[u8], name: &str) -> Result<Vec<u8>, InputError> {
    whole(from_bytes(Bytes::copy_from_slice(bytes), name)?, name)
}

/// The same from a stream that is being fetched, at most `most` octets of it unpacked.
pub(crate) fn from_stream(stream: Stream, of: Option<u64>, name: &str, most: u64) -> Result<Source, InputError> {
    let source = unpacked(stream, of, name)?;
    Ok(Source { stream: Box::new(source.stream.take(most)), ..source })
}

fn whole(source: Source, path: &str) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    source
        .stream
        .take(WHOLE_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| InputError::content(path, format!("cannot be read to its end ({error}); fetch it again")))?;
    if bytes.len() as u64 > WHOLE_FILE {
        return Err(InputError::content(path, "has more than 1 GiB unpacked, which no such file has"));
    }
    Ok(bytes)
}

/// The word for a failed read.
pub(crate) fn failure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => kind::TRUNCATED,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => kind::BAD_COMPRESSION,
        _ => kind::READ_FAILED,
    }
}

fn unpacked(stream: Stream, of: Option<u64>, path: &str) -> Result<Source, InputError> {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Box::new(Counted { stream, read: read.clone() });
    let (head, stream) = peek(counted);
    let stream: Stream = match head.as_slice() {
        [] => return Err(empty(stream, path, "is empty; nothing can be read from it")),
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(stream)),
        [b'B', b'Z', b'h', ..] => Box::new(MultiBzDecoder::new(stream)),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            return Err(InputError::content(path, "is packed with xz; unpack it first"));
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(InputError::content(path, "is packed with zstd; unpack it first")),
        _ => stream,
    };
    Ok(Source { stream, read, of })
}

/// Why nothing came out of a stream.
pub(crate) fn empty(mut stream: Stream, path: &str, otherwise: &str) -> InputError {
    match io::copy(&mut stream.by_ref().take(1), &mut io::sink()) {
        Err(error) => {
            InputError::content(path, format!("holds nothing that can be unpacked ({error}); fetch it again"))
        }
        Ok(_) => InputError::content(path, otherwise),
    }
}

/// The first octets, and a stream that still has them.
pub(crate) fn peek(mut stream: Stream) -> (Vec<u8>, Stream) {
    let mut head = Vec::with_capacity(PEEK);
    let failed = stream.by_ref().take(PEEK as u64).read_to_end(&mut head).err();
    (head.clone(), Box::new(Peeked { head: Cursor::new(head), failed, rest: stream }))
}

struct Peeked {
    head: Cursor<Vec<u8>>,
    /// Met while peeking; reported in its place.
    failed: Option<io::Error>,
    rest: Stream,
}

impl Read for Peeked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.head.read(into)?;
        if n > 0 || into.is_empty() {
            return Ok(n);
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.rest.read(into),
        }
    }
}

struct Counted {
    stream: Stream,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(into)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
