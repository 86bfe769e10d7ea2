//! A mail server that delivers to nobody and shows what it took: the stack's mails stay on this machine.

use std::collections::BTreeMap;

use crate::layout;
use crate::ports::Ports;
use crate::supervisor::{Ready, Service, Stop};

pub fn service(ports: &Ports) -> Service {
    let directory = layout::root().join("xtask/stand-ins");
    Service {
        name: "mailbox".to_owned(),
        program: "node".into(),
        args: vec![
            directory.join("mailbox.mjs").display().to_string(),
            ports.smtp.to_string(),
            ports.mailbox.to_string(),
        ],
        env: BTreeMap::new(),
        cwd: directory,
        user: None,
        port: Some(ports.mailbox),
        ready: Ready::Http(format!("http://127.0.0.1:{}/healthz", ports.mailbox)),
        stop: Stop::Terminate,
    }
}

/// What a worker needs to mail through it. The frontend is whoever develops one: where Supabase's own `site_url` is by default.
pub fn environment(ports: &Ports) -> BTreeMap<String, String> {
    [
        ("AIAS_SMTP_URL", format!("smtp://127.0.0.1:{}", ports.smtp)),
        ("AIAS_MAIL_FROM", "AIAS <no-reply@aias.test>".to_owned()),
        ("AIAS_APP_URL", "http://127.0.0.1:3000".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
