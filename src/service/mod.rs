//! Sockets, media workers, recorder threads, clocks, configuration, start and stop.

pub mod config;
