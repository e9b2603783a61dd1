//! What the routing state is, and whether it is wrong.
//!
//! Everything here is a total function over values: no clock, no I/O, no async, no logging. Events go in,
//! alerts come out, and the same events give the same bytes. The table of contents is the story:
//! [`bgp`] says what was heard, [`event`] what can change a verdict, [`alert`] what leaves.

pub mod alert;
pub mod bgp;
pub mod event;
pub mod leak;
pub mod limits;
pub mod path;
pub mod registry;
pub mod relations;
pub mod rpki;
pub mod watch;
