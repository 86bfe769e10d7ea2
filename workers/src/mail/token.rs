//! The token in an invitation's link.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// Made for one sending, and kept nowhere but in the mail: the database has its hash.
#[derive(Debug)]
pub struct InvitationToken(SecretString);

impl InvitationToken {
    /// 256 bits from the operating system.
    ///
    /// # Errors
    /// When the operating system has none to give.
    pub fn new() -> Result<Self, rand::rand_core::OsError> {
        let mut bytes = [0; 32];
        OsRng.try_fill_bytes(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// The SHA-256 of its text.
    pub fn hash(&self) -> Vec<u8> {
        digest(&SHA256, self.0.expose_secret().as_bytes())
            .as_ref()
            .to_vec()
    }

    /// The page of the application that accepts it. In the fragment, which a browser keeps to itself: it is in no server's log and no `Referer`.
    pub fn link(&self, app: &Url) -> String {
        format!(
            "{app}/invitations#token={}",
            self.0.expose_secret(),
            app = app.as_str().trim_end_matches('/')
        )
    }

    /// The text without the token. Some mail servers quote the link that they do not like.
    pub fn redact(&self, text: &str) -> String {
        text.replace(self.0.expose_secret(), "[token]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_carries_the_token_in_its_fragment() {
        let token = InvitationToken("abc-_1".into());
        for (app, wanted) in [
            (
                "https://app.example.com",
                "https://app.example.com/invitations#token=abc-_1",
            ),
            (
                "https://example.com/app/",
                "https://example.com/app/invitations#token=abc-_1",
            ),
        ] {
            assert_eq!(token.link(&app.parse().unwrap()), wanted);
        }
    }

    /// `printf abc | sha256sum`, from FIPS 180-2, appendix B.1.
    #[test]
    fn the_hash_is_that_of_the_text() {
        let hash = InvitationToken("abc".into()).hash();
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn each_is_new_and_none_shows() {
        let (one, two) = (
            InvitationToken::new().unwrap(),
            InvitationToken::new().unwrap(),
        );
        assert_ne!(one.hash(), two.hash());
        let text = one.0.expose_secret().to_owned();
        assert_eq!(text.len(), 43);
        assert!(!format!("{one:?}").contains(&text));
        assert_eq!(one.redact(&format!("554 no {text}!")), "554 no [token]!");
    }
}
