//! Where something sealed belongs, as bytes that its seal is bound to.

use uuid::Uuid;

/// A tenant's data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlace {
    pub tenant_id: Uuid,
    /// Counts from 1; each rotation takes the next.
    pub generation: i32,
}

/// A secret of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretPlace<'a> {
    pub tenant_id: Uuid,
    pub name: &'a str,
}

impl KeyPlace {
    /// With the master key's id: a row cannot claim to be wrapped by another one.
    pub(crate) fn bytes(self, master_key_id: &str) -> Vec<u8> {
        let mut bytes = b"aias data key 1\0".to_vec();
        bytes.extend_from_slice(self.tenant_id.as_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(master_key_id.as_bytes());
        bytes
    }
}

impl SecretPlace<'_> {
    /// All parts but the last are of a fixed length, so no two places have the same bytes.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = b"aias secret 1\0".to_vec();
        bytes.extend_from_slice(self.tenant_id.as_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }
}

/// Whether a secret may be called so: as an identifier of the workflow language is written, so that `secrets.<name>` always works. 1 to 64
/// characters. The check of the table `tenant_secrets` says the same.
pub fn is_secret_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes.next().is_some_and(is_letter)
        && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_identifier() {
        for name in ["a", "_", "stripe_key", "API2", &"x".repeat(64)] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["", "2a", "a-b", "a.b", "a b", "é", "a\n", &"x".repeat(65)] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
