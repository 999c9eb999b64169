//! Telegraphone: a SIP-aware call-recording media service.
//!
//! ```text
//!         signalling                                                       control
//!  UDP TCP ─► sip ─► call (leg ⇄ b2bua ⇄ leg) ─── decides with ──► policy, directory
//!             sdp ─┘     ▲ digits        │ gate, peers
//!         media          │               ▼
//!  UDP ─► rtp ─► media (receive ─► bridge ─► tap) ─► recording (timeline ─► wav) ─► store ─► subscription ─► cli, events
//!  pcap ─► replay ────────┘ (the same bridge, tap, policy and recording: nothing is simulated)
//! ```
//!
//! Data moves left to right, once. A packet is copied at most once on its way to the file; a
//! recording is handed over once, and every reader comes through the outbox.
//!
//! | module, lowest first | what it is |
//! |---|---|
//! | [`base`] | ids, [`base::Time`] and [`base::Wall`], units of audio, randomness as an argument |
//! | [`ledger`] | the records that every layer names: call, decision, marker, recording, voicemail message, outbox entry |
//! | [`sip`] | messages, transactions, dialogs, digest, session timers, reliable provisionals; [`sip::endpoint`] joins them |
//! | [`rtp`] | packet view, clocks that wrap, telephone events, RTCP, SRTP |
//! | [`sdp`] | descriptions and offer/answer, with keys (RFC 4568) |
//! | [`audio`] | codecs, resampling, keys in the audio, noise, silence, tones, prompts, WAV chunks |
//! | [`directory`] | company, user, number, trunk, group, inbox, call flow, voicemail box; the company file, what applying it or changing one thing changes, and the file again |
//! | [`policy`] | the decision and why; commands in digits; the gate |
//! | [`media`] | one call's RTP as a machine: receive, relay, digits, tap |
//! | [`recording`] | tap events → aligned samples → WAV bytes, of a call or of one party alone; markers; repair |
//! | [`registrar`] | bindings of users' devices |
//! | [`trunk`] | registering at carriers, keep-alive, which target is next, answers to challenges |
//! | [`call`] | the B2BUA: routing, ringing, answer, change, end; voicemail by telephone |
//! | [`ua`] | a small softphone as a machine |
//! | [`subscription`] | who may see, play and fetch a call, who hears a message, who reads a text; the feed of events |
//! | [`store`] | SQL: schema, queries, hand-over |
//! | [`notify`] | what leaves the house, with its queue: hooks told of events over HTTPS; mails and pushes of new messages |
//! | [`texts`] | text messages: where each goes and as which number, long ones in parts, and the queue to carriers |
//! | [`archive`] | the bytes of recordings at rest: how a `.part` becomes final, what proves it, peaks, archives; sounds for the telephone |
//! | [`api`] | requests and answers as enums; the desk, which applies the rules of access and makes exports; HTTP, also as Wazo's clients ask |
//! | [`page`] | what people see in a browser: templates over answers of the API, scripts, styles, languages |
//! | [`service`] | sockets, media workers, recorders, archivist, retention, backup, heads of the access log, clocks, configuration, start and stop |
//! | [`replay`] | captures in, the same path, WAV out |
//! | [`demo`] | three calls on loopback, checked; a company to look at |
//! | [`live`] | captured calls placed against a running service, and what came out |
//! | [`cli`] | the command line |
//!
//! A lower module speaks to a higher one only by returning a value. Modules below `store` name no
//! socket, file, clock or runtime: time and randomness are arguments. `tests/architecture.rs`
//! holds both rules.
//!
//! # The life of a packet
//!
//! 1. The kernel has it on one of the call's sockets; `service::worker` sees that at its next look
//!    (at most a millisecond later) and reads it into its one buffer.
//! 2. [`media::Bridge::on_rtp`] reads the header ([`rtp::View`]), asks the latch whether it comes
//!    from the leg's party, and notes sequence and arrival.
//! 3. A telephone event goes to the matcher of commands ([`policy::Matcher`]): a command moves both
//!    gates ([`policy::Gate`]) there and then; other digits are sent anew to the other party.
//! 4. Audio that the gate lets through goes to the tap: [`media::TapEvent`] into the ring.
//! 5. The packet gets our header (SSRC, sequence, timestamp without holes), the other law where the
//!    other leg speaks it, and is sent. Where the legs' codecs differ in more than the law it is
//!    decoded, and goes out in the other leg's codec and packet length. Where the gate is shut the buffer is overwritten.
//! 6. `service::intake` empties the ring, whatever the disk does, and `service::recorder` takes the
//!    frame from it; [`recording::Timeline`] lays its samples
//!    where the RTP clock says; older than the window they become bytes through `hound`.
//! 7. At the end `service::archivist` writes markers and sizes, syncs, renames, and hands the
//!    recording over: row and outbox entry in one transaction. [`subscription`] turns the entry
//!    into an event.
//!
//! What one party alone says (a message, a greeting) has a slot of its own in the ring and goes the same way;
//! `service::messages` makes it final.

// It panics where the reader of a pipe is gone: `cli::out` says what that means.
#![deny(clippy::print_stdout)]

pub mod api;
pub mod archive;
pub mod audio;
pub mod base;
pub mod call;
pub mod cli;
pub mod demo;
pub mod directory;
pub mod ledger;
pub mod live;
pub mod media;
pub mod notify;
pub mod page;
pub mod policy;
pub mod recording;
pub mod registrar;
pub mod replay;
pub mod rtp;
pub mod sdp;
pub mod service;
pub mod sip;
pub mod store;
pub mod subscription;
pub mod texts;
pub mod trunk;
pub mod ua;
