//! Captures in: the datagrams of a pcap or pcapng file, and the calls in them.

pub mod capture;
mod frames;
mod packet;
mod pcap;
mod pcapng;
pub mod rtp_guess;
mod window;
mod writer;
