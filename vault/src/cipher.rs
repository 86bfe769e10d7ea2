//! AES-256-GCM, with a nonce that is drawn for each sealing.
//!
//! 96 random bits may be used for some 2^32 sealings under one key (NIST SP 800-38D, section 8.3). A tenant's data key seals a value each
//! time that somebody sets one, and a master key wraps one data key a tenant: both stay far below.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

/// 256 bits that are wiped when they are let go of.
pub(crate) type KeyBytes = Zeroizing<[u8; 32]>;

/// What a cipher has made, apart from where it belongs.
pub(crate) struct Closed {
    pub nonce: [u8; NONCE_LEN],
    /// With the tag of 16 bytes at its end.
    pub ciphertext: Vec<u8>,
}

/// The operating system had no random bytes, or the key was not taken. Says nothing more: there is nothing more to say safely.
pub(crate) struct Broken;

pub(crate) fn random_key() -> Result<KeyBytes, Broken> {
    let mut bytes = KeyBytes::default();
    rand::fill(bytes.as_mut_slice()).map_err(|_| Broken)?;
    Ok(bytes)
}

pub(crate) fn close(key: &KeyBytes, place: &[u8], plain: &[u8]) -> Result<Closed, Broken> {
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce).map_err(|_| Broken)?;
    // Encrypted where it stands, so no copy of the plain bytes is left behind; the room for the tag is there from the beginning.
    let mut text = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
    text.extend_from_slice(plain);
    keyed(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place),
            &mut text,
        )
        .map_err(|_| Broken)?;
    Ok(Closed {
        nonce,
        ciphertext: text,
    })
}

/// `Broken` when anything differs: key, nonce, ciphertext or place.
pub(crate) fn open(
    key: &KeyBytes,
    place: &[u8],
    nonce: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Broken> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Broken)?;
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let length = keyed(key)?
        .open_in_place(nonce, Aad::from(place), text.as_mut_slice())
        .map_err(|_| Broken)?
        .len();
    text.truncate(length);
    Ok(text)
}

fn keyed(key: &KeyBytes) -> Result<LessSafeKey, Broken> {
    UnboundKey::new(&AES_256_GCM, key.as_slice())
        .map(LessSafeKey::new)
        .map_err(|_| Broken)
}
