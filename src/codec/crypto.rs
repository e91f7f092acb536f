//! AES-256-GCM behind one seam: aws-lc-rs where it is built, the portable `aes-gcm` crate otherwise, same bytes.

use crate::spec::TAG_LEN;

/// A 12-byte nonce. Each key seals one object, once, with counting nonces, so none can repeat.
pub type Nonce = [u8; 12];

/// Bytes that were not sealed with this key, nonce and associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tampered;

/// One AES-256-GCM key.
pub struct Aead {
    #[cfg(feature = "fast-aes")]
    key: aws_lc_rs::aead::LessSafeKey,
    #[cfg(not(feature = "fast-aes"))]
    key: portable::Key,
}

#[cfg(feature = "fast-aes")]
impl Aead {
    /// A key from 32 bytes.
    pub fn new(key: &[u8; 32]) -> Aead {
        use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
        match UnboundKey::new(&AES_256_GCM, key) {
            Ok(key) => Aead { key: LessSafeKey::new(key) },
            Err(_) => unreachable!("AES-256-GCM takes every key of 32 bytes"),
        }
    }

    /// Encrypts in place and returns the tag.
    pub fn seal(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Result<[u8; TAG_LEN], Tampered> {
        use aws_lc_rs::aead::{Aad, Nonce};
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), data).map_err(|_| Tampered)?;
        tag.as_ref().try_into().map_err(|_| Tampered)
    }

    /// Decrypts `sealed` (ciphertext, then tag) into `out`, which is emptied first and stays empty on failure.
    pub fn open(&self, nonce: &Nonce, aad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Tampered> {
        use aws_lc_rs::aead::{Aad, Nonce};
        let split = sealed.len().checked_sub(TAG_LEN).ok_or(Tampered)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        out.resize(split, 0);
        let done = self.key.open_separate_gather(nonce, Aad::from(aad), &sealed[..split], &sealed[split..], out);
        done.map_err(|_| {
            out.clear();
            Tampered
        })
    }
}

#[cfg(not(feature = "fast-aes"))]
impl Aead {
    /// A key from 32 bytes.
    pub fn new(key: &[u8; 32]) -> Aead {
        Aead { key: portable::key(key) }
    }

    /// Encrypts in place and returns the tag.
    pub fn seal(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Result<[u8; TAG_LEN], Tampered> {
        portable::seal(&self.key, nonce, aad, data)
    }

    /// Decrypts `sealed` (ciphertext, then tag) into `out`, which is emptied first and stays empty on failure.
    pub fn open(&self, nonce: &Nonce, aad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Tampered> {
        portable::open(&self.key, nonce, aad, sealed, out)
    }
}

/// The reference implementation; tests compare the fast one with it.
#[cfg(any(test, not(feature = "fast-aes")))]
mod portable {
    use super::{Nonce, TAG_LEN, Tampered};
    use aes_gcm::aead::inout::InOutBuf;
    use aes_gcm::aead::{AeadInOut, KeyInit};

    pub type Key = aes_gcm::Aes256Gcm;

    pub fn key(key: &[u8; 32]) -> Key {
        Key::new(key.into())
    }

    pub fn seal(key: &Key, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Result<[u8; TAG_LEN], Tampered> {
        let tag = key.encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(data)).map_err(|_| Tampered)?;
        Ok(tag.into())
    }

    pub fn open(key: &Key, nonce: &Nonce, aad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Tampered> {
        out.clear();
        let split = sealed.len().checked_sub(TAG_LEN).ok_or(Tampered)?;
        out.extend_from_slice(&sealed[..split]);
        let tag: [u8; TAG_LEN] = sealed[split..].try_into().map_err(|_| Tampered)?;
        let done = key.decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(&mut out[..]), &tag.into());
        done.map_err(|_| {
            out.clear();
            Tampered
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_implementations_write_the_same_bytes() {
        let key = [7; 32];
        for len in [0, 1, 15, 16, 17, 1000, 70_000] {
            let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let (mut a, mut b) = (plain.clone(), plain.clone());
            let fast = Aead::new(&key).seal(&[1; 12], b"aad", &mut a).unwrap();
            let slow = portable::seal(&portable::key(&key), &[1; 12], b"aad", &mut b).unwrap();
            assert_eq!((&a, fast), (&b, slow));
            a.extend(slow);
            let mut out = Vec::new();
            Aead::new(&key).open(&[1; 12], b"aad", &a, &mut out).unwrap();
            assert_eq!(out, plain);
            portable::open(&portable::key(&key), &[1; 12], b"aad", &a, &mut out).unwrap();
            assert_eq!(out, plain);
        }
    }

    #[test]
    fn a_changed_bit_does_not_open() {
        let key = Aead::new(&[1; 32]);
        let mut sealed = b"some words".to_vec();
        let tag = key.seal(&[0; 12], b"", &mut sealed).unwrap();
        sealed.extend(tag);
        let mut out = Vec::new();
        for bit in 0..sealed.len() * 8 {
            sealed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&[0; 12], b"", &sealed, &mut out), Err(Tampered));
            assert!(out.is_empty());
            sealed[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(key.open(&[0; 12], b"x", &sealed, &mut out), Err(Tampered));
        assert_eq!(key.open(&[0; 12], b"", &sealed[..15], &mut out), Err(Tampered));
    }
}
