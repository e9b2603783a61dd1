//! BMP messages of one session behind well-formed frames, so that the fuzzer spends its time on what is in them.
#![no_main]

use feeds::bmp::session::{Numbers, Session, Settings};
use libfuzzer_sys::fuzz_target;
use rules::bgp::Timestamp;

fuzz_target!(|data: (bool, Vec<(u8, &[u8])>)| {
    let (is_live, messages) = data;
    let received = is_live.then(|| Timestamp::from_secs(1_772_334_242));
    let settings =
        Settings { collector: "fuzz".into(), most_peers: 8, collector_as: None, is_mid_stream: false };
    let mut session = Session::new(settings, Numbers::default());
    let mut items = Vec::new();
    for (kind, body) in messages {
        let mut message = vec![3];
        message.extend((6 + body.len() as u32).to_be_bytes());
        message.push(kind % 8);
        message.extend(body);
        session.message(&message.into(), received, &mut items);
    }
    session.close(received, &mut items);
});
