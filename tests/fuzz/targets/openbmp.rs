//! OpenBMP messages, each with a header whose lengths fit.
#![no_main]

use feeds::openbmp::Decoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&[u8], &[u8])| {
    let (header, body) = data;
    let header = &header[..header.len().min(1_000)];
    let mut message = b"OBMP\x01\x07".to_vec();
    message.extend((12 + header.len() as u16).to_be_bytes());
    message.extend((body.len() as u32).to_be_bytes());
    message.extend(header);
    message.extend(body);
    let mut items = Vec::new();
    let mut decoder = Decoder::default();
    decoder.message("routeviews.x.64496.bmp_raw", &message.into(), None, &mut items);
    let _ = decoder.take_counts();
});
