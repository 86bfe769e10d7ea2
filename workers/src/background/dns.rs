//! TXT records, as the world sees them now.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use tokio::time::timeout;

/// For all tries of one question.
const ANSWER: Duration = Duration::from_secs(15);

/// Asks for TXT records.
pub struct Dns(TokioResolver);

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum NoTexts {
    #[error("there is no TXT record at {0}")]
    None(String),
    #[error("{0} is no domain name")]
    NoName(String),
    #[error("the name servers did not answer for {name}")]
    NoAnswer {
        name: String,
        #[source]
        error: Option<NetError>,
    },
}

impl Dns {
    /// By this server alone, or as the system does.
    ///
    /// # Errors
    /// When the system does not say how.
    pub fn new(server: Option<SocketAddr>) -> Result<Self, NetError> {
        let mut builder = match server {
            None => TokioResolver::builder_tokio()?,
            Some(server) => {
                let config = ResolverConfig::from_name_servers(vec![at(server)]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        // A person who has just added a record and asks again wants to know how it is now.
        builder.options_mut().cache_size = 0;
        Ok(Self(builder.build()?))
    }

    /// The texts at a name, the pieces of each put together (RFC 7208, section 3.3).
    ///
    /// # Errors
    /// When there are none, or nobody says.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, NoTexts> {
        let absolute = absolute(name)?;
        let no_answer = |error| NoTexts::NoAnswer {
            name: name.to_owned(),
            error,
        };
        let found = match timeout(ANSWER, self.0.txt_lookup(absolute)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if error.is_no_records_found() => {
                return Err(NoTexts::None(name.to_owned()));
            }
            Ok(Err(error)) => return Err(no_answer(Some(error))),
            Err(_) => return Err(no_answer(None)),
        };
        let texts = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(txt) => {
                    Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned())
                }
                _ => None,
            });
        Ok(texts.collect())
    }
}

/// Otherwise the search list of this machine could have a say.
fn absolute(name: &str) -> Result<Name, NoTexts> {
    let mut absolute = Name::from_ascii(name).map_err(|_| NoTexts::NoName(name.to_owned()))?;
    absolute.set_fqdn(true);
    Ok(absolute)
}

fn at(server: SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let connections = vec![
        with_port(ConnectionConfig::udp()),
        with_port(ConnectionConfig::tcp()),
    ];
    NameServerConfig::new(server.ip(), true, connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_as_it_stands() {
        let name = absolute("_aias-challenge.app.example.com").unwrap();
        assert_eq!(name.to_string(), "_aias-challenge.app.example.com.");
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        for name in ["a..example.com", "a b.\u{e4}", &"a".repeat(64)] {
            assert!(matches!(absolute(name), Err(NoTexts::NoName(_))), "{name}");
        }
    }
}
