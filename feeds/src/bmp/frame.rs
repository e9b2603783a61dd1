//! Where does one BMP message end and the next begin (RFC 7854 section 4.1)?

use bytes::{Bytes, BytesMut};

/// Octets of the common header: version, length of the whole message, type.
pub(crate) const HEADER: usize = 6;
pub(crate) const VERSION: u8 = 3;
/// A longer message is not believed: the largest real one, a Peer Up with two extended OPENs, has 128 KiB and TLVs.
pub(crate) const MESSAGE: usize = 1 << 20;

/// Why a stream cannot be followed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("it speaks version {0} of BMP, only 3 is understood")]
    Version(u8),
    #[error("it announces a message of {0} octets, which none has")]
    Length(u32),
}

/// The version and the length that a header states; none while it is not whole.
pub(crate) fn header(bytes: &[u8]) -> Option<(u8, u32)> {
    let [version, length @ ..] = bytes.get(..HEADER)?.first_chunk::<5>()?;
    Some((*version, u32::from_be_bytes(*length)))
}

/// The octets a message takes if its header can be one of BMP, whatever its version.
pub(crate) fn length_of(stated: u32) -> Result<usize, FrameError> {
    match stated as usize {
        length if (HEADER..=MESSAGE).contains(&length) => Ok(length),
        _ => Err(FrameError::Length(stated)),
    }
}

/// Takes the next whole message off the buffer, header included; none while it is not all there.
pub fn next(buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    // Whoever speaks something else is told apart by the first octet, not by waiting for six.
    if let Some(version) = buffer.first().filter(|version| **version != VERSION) {
        return Err(FrameError::Version(*version));
    }
    let Some((_, stated)) = header(buffer) else { return Ok(None) };
    let length = length_of(stated)?;
    Ok((buffer.len() >= length).then(|| buffer.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_their_length_and_wait_until_they_are_whole() {
        let mut buffer = BytesMut::from(&[3, 0, 0, 0, 8, 4, 1, 2, 3, 0, 0][..]);
        assert_eq!(next(&mut buffer), Ok(Some(Bytes::from_static(&[3, 0, 0, 0, 8, 4, 1, 2]))));
        assert_eq!(next(&mut buffer), Ok(None));
        buffer.extend_from_slice(&[0, 6, 4]);
        assert_eq!(next(&mut buffer), Ok(Some(Bytes::from_static(&[3, 0, 0, 0, 6, 4]))));
        assert_eq!((next(&mut buffer), buffer.len()), (Ok(None), 0));
    }

    #[test]
    fn what_is_no_bmp_of_version_3_is_refused_at_once() {
        for (bytes, error) in [
            (&[4u8, 0, 0, 0, 6, 4][..], FrameError::Version(4)),
            (&[22], FrameError::Version(22)),
            (&[3, 0, 0, 0, 5, 4], FrameError::Length(5)),
            (&[3, 255, 0, 0, 0, 4], FrameError::Length(0xff00_0000)),
        ] {
            assert_eq!(next(&mut BytesMut::from(bytes)), Err(error));
        }
    }
}
