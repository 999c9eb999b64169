//! Messages in the boxes of a running service, as if they had been left by telephone.

use std::fs;
use std::path::Path;
use telegraphone::audio::prompt::write_wav;
use telegraphone::base::MessageId;
use telegraphone::ledger::{MessageRecord, Party};
use telegraphone::service::Service;
use telegraphone::service::clock::Clock;
use telegraphone::service::config::Config;
use telegraphone::subscription::Receivers;

/// The number that they are left from.
pub const CALLER: &str = "+16660001";

/// Leaves a message of so many seconds in a box of the company, with its file.
/// `folder` is that of the service's data.
pub async fn leave(service: &Service, folder: &Path, company: &str, mailbox: &str, seconds: usize) -> MessageId {
    leave_over(service, folder, company, mailbox, seconds, None).await
}

/// The same, over a number of the company.
pub async fn leave_over(
    service: &Service,
    folder: &Path,
    company: &str,
    mailbox: &str,
    seconds: usize,
    number: Option<&str>,
) -> MessageId {
    let directory = service.store().load_directory().await.unwrap();
    let company = directory.company_by_key(company).unwrap();
    let mailbox = directory.mailbox_by_name(company.id, mailbox).unwrap();
    let now = Clock::start().wall();
    let id = MessageId::new(now, std::array::from_fn(|_| rand_byte()));
    let path = format!("{}/messages/{id}.wav", company.key);
    let wav = write_wav(&vec![1_000; seconds * 8_000]);
    let file = Config::default_for(folder).recording.dir.join(&path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, &wav).unwrap();
    let message = MessageRecord {
        id,
        company: company.id,
        mailbox: mailbox.id,
        call: None,
        caller: Party { user: None, address: CALLER.to_owned(), name: "Otto".to_owned() },
        number: number.map(|e164| directory.number_by_e164(e164).unwrap().id),
        left: now,
        samples: seconds as u64 * 8_000,
        rate: 8_000,
        path,
        bytes: wav.len() as u64,
        digest: hex_of(&wav),
        urgent: false,
        forwarded: None,
    };
    assert!(service.store().deliver(&message, Receivers::of(mailbox), now).await.unwrap());
    id
}

fn hex_of(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rand_byte() -> u8 {
    use telegraphone::base::Random;
    let mut one = [0];
    telegraphone::service::clock::OsRandom.fill(&mut one);
    one[0]
}
