//! A real service on free ports of loopback, with what company files say.

use super::Http;
use std::net::SocketAddr;
use std::path::Path;
use telegraphone::directory::Transport;
use telegraphone::directory::file::CompanyFile;
use telegraphone::directory::plan::plan;
use telegraphone::service::Service;
use telegraphone::service::clock::OsRandom;
use telegraphone::service::config::{Config, HttpListen, Listen};

/// SIP over UDP and the API, each on a free port.
pub fn config(folder: &Path) -> Config {
    let mut config = Config::default_for(folder);
    let address = "127.0.0.1:0".parse().unwrap();
    config.sip.listen = vec![Listen { transport: Transport::Udp, address, advertise: None }];
    config.http.listen = vec![HttpListen { address, tls: false }];
    config
}

/// Starts it and applies the company files; where SIP and the API are.
pub async fn start(config: Config, files: &[&str]) -> (Service, SocketAddr, Http) {
    let service = Service::start(config).await.unwrap();
    for text in files {
        apply(&service, text).await;
    }
    let (sip, http) = (service.sip_addresses()[0].1, Http(service.http_addresses()[0]));
    (service, sip, http)
}

pub async fn apply(service: &Service, text: &str) {
    let file = CompanyFile::parse(text).unwrap();
    let plan = plan(&service.store().load_directory().await.unwrap(), &file, false).unwrap();
    service.store().apply(&plan, &mut OsRandom).await.unwrap();
    service.reload().await;
}
