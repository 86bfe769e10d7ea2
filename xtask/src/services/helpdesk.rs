//! A small help desk for the demo's workflow to talk to: customers to look up, tickets to answer.

use std::collections::BTreeMap;

use crate::layout;
use crate::ports::Ports;
use crate::supervisor::{Ready, Service, Stop};

pub fn service(ports: &Ports) -> Service {
    let directory = layout::root().join("xtask/stand-ins");
    Service {
        name: "helpdesk".to_owned(),
        program: "node".into(),
        args: vec![
            directory.join("helpdesk.mjs").display().to_string(),
            ports.helpdesk.to_string(),
        ],
        env: BTreeMap::new(),
        cwd: directory,
        user: None,
        port: Some(ports.helpdesk),
        ready: Ready::Http(format!("http://127.0.0.1:{}/healthz", ports.helpdesk)),
        stop: Stop::Terminate,
    }
}
