use std::collections::BTreeSet;
use std::str::FromStr;

/// Addresses (`host:port`) that tenants may have called although they are private.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpAllow(BTreeSet<(String, u16)>);

impl HttpAllow {
    /// Whether the operator allows this host and port, whatever address the host has.
    pub fn contains(&self, host: &str, port: u16) -> bool {
        !self.0.is_empty() && self.0.contains(&(host.to_ascii_lowercase(), port))
    }
}

impl FromStr for HttpAllow {
    type Err = String;

    /// A comma-separated list; IPv6 addresses stand in brackets.
    fn from_str(list: &str) -> Result<Self, String> {
        let entry = |text: &str| {
            let (host, port) = text.rsplit_once(':')?;
            let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
            let is_host = !host.is_empty()
                && (host.starts_with('[') == host.contains(':'))
                && !host.contains('/');
            is_host.then(|| (host.to_ascii_lowercase(), port))
        };
        list.split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| entry(text).ok_or_else(|| format!("\"{text}\" is not host:port")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_addresses_are_host_and_port() {
        let allow: HttpAllow = "LocalHost:8080, [::1]:9".parse().unwrap();
        assert!(allow.contains("localhost", 8080) && allow.contains("[::1]", 9));
        assert!(!allow.contains("localhost", 8081) && !allow.contains("::1", 9));
    }
}
