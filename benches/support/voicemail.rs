//! Callers who leave a message at the same time: each is compared with what was sent, the box's owner
//! listens to events meanwhile, and the phone of a subscriber has its lamp.

use super::heard::{Seen, stream};
use super::http::Http;
use super::scene::call_of_caller;
use super::{Generator, Options, Running, payload};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use telegraphone::audio::Law;
use telegraphone::base::MessageId;
use telegraphone::ledger::MessageRecord;
use telegraphone::sip::message::{Message, Response};
use telegraphone::sip::parse::parse_datagram;
use telegraphone::store::Store;

/// Of the company file, beside the scene's: the device never registers, so that its calls go here.
pub const BOX: &str = r#"
[[voicemail]]
number = "8201"
owner = "user:201"
review = false
min_s = 1
max_messages = 10000

[[user]]
extension = "202"
name = "Subscriber"
password = "load-secret"
role = "agent"
"#;
/// Samples of a packet.
const FRAME: usize = super::FRAME;
/// How long one waits at most for the last message.
const PATIENCE: Duration = Duration::from_secs(30);

/// The owner's stream of events: when each message was told, by call.
fn listen(service: SocketAddr, company: &str) -> Seen {
    let owner = Http(service).log_in(company, "201", &format!("{company}-secret"));
    let stream = stream(service, &owner, "/api/v1/events?kinds=voicemail.created");
    let told = Seen::default();
    let into = Seen::clone(&told);
    std::thread::spawn(move || hear(stream, &into));
    told
}

/// What a phone's lamp says of the messages that wait (RFC 3842), and since when.
type Lamp = Arc<Mutex<(usize, Instant)>>;

/// The phone of a subscriber of the box: registered, and told of what waits without asking.
fn lamp(service: SocketAddr, sip: SocketAddr, company: &str) -> Result<Lamp, String> {
    let owner = Http(service).log_in(company, "201", &format!("{company}-secret"));
    let subscribed = owner.put("/api/v1/voicemails/8201/subscribers/202").status;
    assert!((200..300).contains(&subscribed), "{subscribed}");
    let phone = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    phone.set_read_timeout(Some(Duration::from_secs(3))).map_err(|error| error.to_string())?;
    let shown: Lamp = Arc::new(Mutex::new((0, Instant::now())));
    let told = Lamp::clone(&shown);
    super::SCENE.register_as("202", phone.local_addr().map_err(|error| error.to_string())?, "lamp", |request| {
        phone.send_to(request.as_bytes(), sip).map_err(|error| error.to_string())?;
        loop {
            if let Some(response) = light(&phone, &told).map_err(|error| error.to_string())? {
                return Ok(response);
            }
        }
    })?;
    std::thread::spawn(
        move || while !matches!(light(&phone, &told), Err(error) if error.kind() == ErrorKind::Other) {},
    );
    Ok(shown)
}

/// Takes one message of the service: a NOTIFY moves the lamp and is answered; a response is given back.
fn light(phone: &UdpSocket, shown: &Lamp) -> std::io::Result<Option<Response>> {
    let mut buffer = [0; 8_192];
    let (length, peer) = phone.recv_from(&mut buffer)?;
    match parse_datagram(&buffer[..length]) {
        Ok(Message::Response(response)) => Ok(Some(response)),
        Ok(Message::Request(notify)) => {
            let text = String::from_utf8_lossy(&notify.body).into_owned();
            let waiting = text.lines().find_map(|line| line.strip_prefix("Voice-Message: "));
            let new = waiting.and_then(|line| line.split('/').next()).and_then(|count| count.trim().parse().ok());
            if let Some(new) = new {
                *shown.lock().unwrap() = (new, Instant::now());
            }
            phone.send_to(&notify.response(200).to_bytes(), peer)?;
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

fn hear(stream: BufReader<TcpStream>, told: &Seen) {
    for line in stream.lines() {
        let Ok(line) = line else { return };
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let now = Instant::now();
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        let caller = event["about"]["caller"]["address"].as_str().unwrap();
        let twice = told.lock().unwrap().insert(call_of_caller(caller), now);
        assert!(twice.is_none(), "told twice: {event}");
    }
}

pub fn run(options: &Options, service: &Running) -> Result<(), String> {
    let mut generator = Generator::new(service.process.sip);
    let told = listen(service.http.expect("the API is there"), super::SCENE.0);
    let lamp = lamp(service.http.expect("the API is there"), service.process.sip, super::SCENE.0)?;
    let idle_memory = service.resident();
    let mut next_invite = Instant::now();
    let mut tick = 0u64;
    while generator.calls.iter().filter(|call| call.started).count() < options.calls {
        if generator.calls.len() < options.calls && Instant::now() >= next_invite {
            generator.invite(options);
            next_invite += Duration::from_secs_f64(1.0 / options.rate);
        }
        step(&mut generator, &mut tick);
        if generator.calls.last().is_some_and(|call| call.invited.elapsed() > Duration::from_secs(10)) {
            return Err("not all calls were set up".to_owned());
        }
    }
    // Greeting, tone, and what is said.
    let (held, cpu) = (Instant::now(), service.cpu());
    while held.elapsed() < Duration::from_secs(options.seconds) {
        step(&mut generator, &mut tick);
    }
    let (cpu, memory) = (service.cpu() - cpu, service.resident());
    (0..options.calls).for_each(|call| generator.bye(call));
    let hung_up = Instant::now();
    let done = || told.lock().unwrap().len() == options.calls && lamp.lock().unwrap().0 == options.calls;
    while !done() && hung_up.elapsed() < PATIENCE {
        generator.signalling();
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut times: Vec<f64> = {
        let told = told.lock().unwrap();
        let each =
            told.iter().map(|(call, told)| (*told - generator.calls[*call].bye.unwrap()).as_secs_f64() * 1_000.0);
        each.collect()
    };
    times.sort_by(f64::total_cmp);
    let at = |p: f64| times.get(((times.len() as f64 - 1.0) * p) as usize).copied().unwrap_or(f64::NAN);
    let (exact, seconds) = compare_all(&generator, &super::data_dir(&service.home.folder))?;
    println!("callers               {} at the same time", options.calls);
    println!("messages              {exact} of {} exact, every sample; {seconds:.0} s in all", options.calls);
    println!(
        "BYE to event          p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms ({} told)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
    let (shown, since) = *lamp.lock().unwrap();
    let after = since.saturating_duration_since(hung_up).as_secs_f64() * 1_000.0;
    println!("lamp                  {shown} new, {after:.0} ms after the last BYE");
    println!("service CPU           {:.0} % of a core", cpu as f64 / held.elapsed().as_micros() as f64 * 100.0);
    println!(
        "memory                {:.0} KiB per call",
        memory.saturating_sub(idle_memory) as f64 / 1_024.0 / options.calls as f64
    );
    match (exact == options.calls, times.len() == options.calls, shown == options.calls) {
        (true, true, true) => Ok(()),
        (false, _, _) => Err("messages are not exact".to_owned()),
        (_, false, _) => Err("not every message was told".to_owned()),
        (_, _, false) => Err("the lamp is wrong".to_owned()),
    }
}

/// A millisecond. What the callers hear is the greeting.
fn step(generator: &mut Generator, tick: &mut u64) {
    generator.signalling();
    let target = generator.origin.elapsed().as_millis() as u64;
    while *tick < target {
        *tick += 1;
        generator.send_due(*tick);
    }
    let mut buffer = [0u8; 2_048];
    for socket in &generator.media[0] {
        while socket.recv_from(&mut buffer).is_ok() {}
    }
    std::thread::sleep(Duration::from_micros(300));
}

/// How many messages are what their callers said, and their length in all.
fn compare_all(generator: &Generator, data: &Path) -> Result<(usize, f64), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let messages: HashMap<MessageId, MessageRecord> = runtime.block_on(async {
        let store = Store::open(&data.join("telegraphone.db")).await.unwrap();
        let mut messages = HashMap::new();
        for file in store.all_message_files(None, u32::MAX).await.unwrap() {
            messages.insert(file.id, store.message(file.id).await.unwrap().unwrap());
        }
        store.close().await;
        messages
    });
    let (mut exact, mut seconds) = (0, 0.0);
    for message in messages.values() {
        let call = call_of_caller(&message.caller.address);
        match compare(&data.join("recordings").join(&message.path), call, generator.calls[call].legs[0].sent) {
            Ok(()) => exact += 1,
            Err(problem) => eprintln!("{}: {problem}", message.path),
        }
        seconds += message.length().0 as f64 / 1e6;
    }
    Ok((exact, seconds))
}

/// From the first sample on the message is a run of what the caller sent.
fn compare(wav: &Path, call: usize, packets: u32) -> Result<(), String> {
    let reader = hound::WavReader::open(wav).map_err(|error| error.to_string())?;
    let samples: Vec<i16> = reader.into_samples().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let mut sent = Vec::with_capacity(packets as usize * FRAME);
    let mut bytes = [0; FRAME];
    for number in 0..packets {
        payload(call, 0, number, &mut bytes);
        sent.extend(bytes.iter().map(|byte| Law::Mu.decode(*byte)));
    }
    let from = samples.iter().position(|sample| *sample != 0).ok_or("it is silent")?;
    let to = samples.iter().rposition(|sample| *sample != 0).map_or(0, |last| last + 1);
    let spoken = &samples[from..to];
    let head = spoken.get(..FRAME).ok_or("it is too short")?;
    let place = sent.windows(FRAME).position(|window| window == head).ok_or("its beginning was not sent")?;
    if from > 800 || samples.len() - to > 1_600 {
        return Err(format!("{from} samples of silence before and {} behind", samples.len() - to));
    }
    match spoken.iter().zip(&sent[place..]).position(|(file, sent)| file != sent) {
        None => Ok(()),
        Some(at) => Err(format!("sample {} of {} is wrong", from + at, samples.len())),
    }
}
