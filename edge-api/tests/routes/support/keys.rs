use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::Value;

/// A key pair made for one test.
pub struct SigningKey {
    pub id: &'static str,
    pub algorithm: Algorithm,
    key: EncodingKey,
    /// As anybody may have it, in the form that a forger would use.
    pub public_pem: String,
}

impl SigningKey {
    pub fn es256(id: &'static str) -> Self {
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .expect("a key");
        let public = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.as_ref())
            .expect("the same key");
        let public = public.public_key().as_der().expect("a public key");
        let key = EncodingKey::from_ec_pem(pem("PRIVATE KEY", pair.as_ref()).as_bytes())
            .expect("a private key");
        Self {
            id,
            algorithm: Algorithm::ES256,
            key,
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    }

    pub fn rs256(id: &'static str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let private = pair.as_der().expect("a private key");
        let public = pair.public_key().as_der().expect("a public key");
        let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes())
            .expect("a private key");
        Self {
            id,
            algorithm: Algorithm::RS256,
            key,
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    }

    pub fn sign(&self, claims: &impl Serialize) -> String {
        self.sign_as(Some(self.id), claims)
    }

    pub fn sign_as(&self, id: Option<&str>, claims: &impl Serialize) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = id.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key).expect("a token")
    }

    /// The public half as Supabase Auth publishes it.
    pub fn published(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).expect("JSON")
    }
}

/// A token with any header and no signature.
pub fn unsigned(header: &Value, claims: &impl Serialize) -> String {
    let part = |value: &[u8]| URL_SAFE_NO_PAD.encode(value);
    let claims = serde_json::to_vec(claims).expect("JSON");
    format!("{}.{}.", part(header.to_string().as_bytes()), part(&claims))
}

/// HS256 with any bytes as the secret, such as a public key.
pub fn hs256_with(secret: &[u8], id: Option<&str>, claims: &impl Serialize) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = id.map(str::to_owned);
    hs256(secret, &header, claims)
}

/// Signed well, but to be read by rules that nobody here knows.
pub fn hs256_with_critical_extension(secret: &[u8], claims: &impl Serialize) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.crit = Some(vec!["b64".to_owned()]);
    hs256(secret, &header, claims)
}

fn hs256(secret: &[u8], header: &Header, claims: &impl Serialize) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret)).expect("a token")
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("ASCII"))
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
