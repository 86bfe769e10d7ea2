//! Where something sealed belongs, as bytes that its seal is bound to.

use uuid::Uuid;

/// A tenant's data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlace {
    pub tenant_id: Uuid,
    /// Counts from 1; each rotation takes the next.
    pub generation: i32,
}

/// What of a tenant's is sealed: a value of one kind, by its name among those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot<'a> {
    /// What steps use as `secrets.<name>`.
    Secret(&'a str),
    /// The tenant's own key to a provider of models.
    ProviderKey(&'a str),
}

/// A slot of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotPlace<'a> {
    pub tenant_id: Uuid,
    pub slot: Slot<'a>,
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

impl<'a> Slot<'a> {
    const SECRET: &'static str = "secret";
    const PROVIDER_KEY: &'static str = "provider_key";

    /// As a row has it. `None` for a kind that this release does not know.
    pub fn from_row(kind: &str, name: &'a str) -> Option<Self> {
        match kind {
            Self::SECRET => Some(Self::Secret(name)),
            Self::PROVIDER_KEY => Some(Self::ProviderKey(name)),
            _ => None,
        }
    }

    /// As the column `kind` has it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Secret(_) => Self::SECRET,
            Self::ProviderKey(_) => Self::PROVIDER_KEY,
        }
    }

    pub fn name(self) -> &'a str {
        match self {
            Self::Secret(name) | Self::ProviderKey(name) => name,
        }
    }
}

impl SlotPlace<'_> {
    /// The first part ends where it says, the second is of a fixed length: no two places have the same bytes.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = match self.slot {
            Slot::Secret(_) => b"aias secret 1\0".to_vec(),
            Slot::ProviderKey(_) => b"aias provider key 1\0".to_vec(),
        };
        bytes.extend_from_slice(self.tenant_id.as_bytes());
        bytes.extend_from_slice(self.slot.name().as_bytes());
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
    fn no_two_places_have_the_same_bytes() {
        let tenant_id = Uuid::from_u128(0xa);
        let slots = ["openai", "", "provider key 1"]
            .into_iter()
            .flat_map(|name| [Slot::Secret(name), Slot::ProviderKey(name)]);
        let places: std::collections::BTreeSet<Vec<u8>> = slots
            .map(|slot| SlotPlace { tenant_id, slot }.bytes())
            .collect();
        assert_eq!(places.len(), 6);
        // What was sealed before there were other kinds still opens.
        let slot = Slot::Secret("a");
        assert_eq!(
            SlotPlace { tenant_id, slot }.bytes(),
            [b"aias secret 1\0".as_slice(), tenant_id.as_bytes(), b"a"].concat()
        );
    }

    #[test]
    fn a_slot_is_as_its_row_says() {
        for slot in [Slot::Secret("openai"), Slot::ProviderKey("openai")] {
            assert_eq!(Slot::from_row(slot.kind(), slot.name()), Some(slot));
        }
        assert_eq!(Slot::from_row("password", "openai"), None);
    }

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
