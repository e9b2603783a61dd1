//! How much was read, and what of it was no good?

use std::collections::BTreeMap;

use rules::bgp::Update;

use crate::convert::Heard;

/// Words for what can be wrong with input: a closed set, used as a metric label.
pub mod kind {
    /// The input ends inside a record, a line or a compressed block.
    pub const TRUNCATED: &str = "truncated";
    /// A compressed stream that does not decompress.
    pub const BAD_COMPRESSION: &str = "bad_compression";
    /// An MRT header that cannot be one; what follows it is lost.
    pub const BAD_MRT_HEADER: &str = "bad_mrt_header";
    /// An MRT record whose body contradicts its type.
    pub const BAD_MRT_RECORD: &str = "bad_mrt_record";
    /// An MRT type or subtype that carries no unicast routes, or an unknown one.
    pub const UNSUPPORTED_MRT: &str = "unsupported_mrt";
    /// A RIB entry of a peer that no peer index table names.
    pub const UNKNOWN_PEER: &str = "unknown_peer";
    /// More vantage points than [`rules::limits::VANTAGE_POINTS`].
    pub const TOO_MANY_PEERS: &str = "too_many_peers";
    /// A BGP message whose frame cannot be read.
    pub const BAD_BGP_MESSAGE: &str = "bad_bgp_message";
    /// An UPDATE whose attributes make it a withdrawal (RFC 7606).
    pub const BAD_ATTRIBUTE: &str = "bad_attribute";
    /// A prefix that is none, and all that follow it in the same field.
    pub const BAD_PREFIX: &str = "bad_prefix";
    /// A line or frame that is not the JSON it should be.
    pub const BAD_JSON: &str = "bad_json";
    /// Well-formed JSON of an unknown kind.
    pub const UNKNOWN_MESSAGE: &str = "unknown_message";
    /// The server reported an error of its own.
    pub const SERVER_ERROR: &str = "server_error";
    /// A line, frame or record longer than what is believed.
    pub const TOO_LONG: &str = "too_long";
    /// A connection of somebody who may not connect.
    pub const REFUSED: &str = "refused_connection";
    /// A BMP message of another version than 3.
    pub const BAD_BMP_VERSION: &str = "bad_bmp_version";
    /// A BMP or OpenBMP message whose body contradicts its type.
    pub const BAD_BMP_MESSAGE: &str = "bad_bmp_message";
    /// A BMP message whose time is far from when it came; the time it came stands instead.
    pub const BAD_TIMESTAMP: &str = "bad_timestamp";
    /// The file or stream could not be read any further.
    pub const READ_FAILED: &str = "read_failed";
}

/// What a reader has seen so far. Malformed input is counted here, never an end of the reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Announced and withdrawn prefixes and state changes, as `bgpdump -m` counts its lines. Multicast
    /// prefixes stand here only.
    pub elements: u64,
    pub announced: u64,
    pub withdrawn: u64,
    /// UPDATEs and RIB entries with an Only to Customer attribute.
    pub otc: u64,
    /// By kind, see [`kind`].
    pub errors: BTreeMap<&'static str, u64>,
    /// Well-formed, but nothing a verdict needs: OPEN, KEEPALIVE, other address families.
    pub skipped: u64,
}

impl Counts {
    pub(crate) fn error(&mut self, kind: &'static str) {
        *self.errors.entry(kind).or_default() += 1;
    }

    /// One UPDATE.
    pub(crate) fn heard(&mut self, heard: &Heard) {
        self.announced += heard.announced_on_wire as u64;
        self.withdrawn += heard.withdrawn_on_wire as u64;
        self.elements += (heard.announced_on_wire + heard.withdrawn_on_wire + heard.multicast) as u64;
        self.otc += u64::from(heard.otc);
        for kind in &heard.errors {
            self.error(kind);
        }
    }

    /// One recorded UPDATE or seed.
    pub(crate) fn routes(&mut self, update: &Update) {
        self.announced += update.announced.len() as u64;
        self.withdrawn += update.withdrawn.len() as u64;
        self.elements += (update.announced.len() + update.withdrawn.len()) as u64;
        self.otc += u64::from(update.attributes.only_to_customer.is_some());
    }

    /// One entry of a RIB dump.
    pub(crate) fn entry(&mut self) {
        self.announced += 1;
        self.elements += 1;
    }

    /// Adds what another reader has seen.
    pub fn add(&mut self, other: Self) {
        self.elements += other.elements;
        self.announced += other.announced;
        self.withdrawn += other.withdrawn;
        self.otc += other.otc;
        self.skipped += other.skipped;
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
    }

    /// All errors together.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }
}
