//! From a password or a key file to the key that opens a slot.

use crate::memory::large_vec;
use crate::spec::{KDF_LANES, KDF_MEMORY_KIB, KDF_PASSES};
use zeroize::Zeroizing;

/// What a slot is opened with.
#[derive(Clone)]
pub enum Secret {
    /// A password, stretched with Argon2id.
    Password(Zeroizing<Vec<u8>>),
    /// The content of a key file, at least 32 bytes, used as it is.
    KeyFile(Zeroizing<Vec<u8>>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Secret::Password(_) => "Password(...)",
            Secret::KeyFile(_) => "KeyFile(...)",
        })
    }
}

/// Cost of Argon2id (RFC 9106), as the clear part of a slot states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes, computed in parallel.
    pub lanes: u32,
}

impl Cost {
    /// Whether a reader accepts it: a hostile slot must not exhaust memory or time.
    pub fn is_sane(&self) -> bool {
        KDF_MEMORY_KIB.contains(&self.memory_kib)
            && KDF_PASSES.contains(&self.passes)
            && KDF_LANES.contains(&self.lanes)
    }
}

/// The 32-byte key that a secret and a slot's salt give, or what is wrong with the cost.
pub fn stretch(secret: &Secret, salt: &[u8; 32], cost: &Cost) -> Result<Zeroizing<[u8; 32]>, String> {
    let mut key = Zeroizing::new([0; 32]);
    match secret {
        Secret::KeyFile(content) => {
            let mut hasher = blake3::Hasher::new_derive_key("lastgood 2026 v1 key file");
            hasher.update(salt).update(content);
            hasher.finalize_xof().fill(&mut key[..]);
        }
        Secret::Password(password) => {
            if !cost.is_sane() {
                return Err(format!("its Argon2id cost {cost:?} is out of bounds"));
            }
            let params =
                argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(|e| e.to_string())?;
            let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
            // A slot may ask for more than this machine has, which must not end the process.
            Vec::<argon2::Block>::new().try_reserve_exact(argon.params().block_count()).map_err(|e| e.to_string())?;
            let mut blocks = large_vec(argon.params().block_count());
            blocks.resize(argon.params().block_count(), argon2::Block::default());
            let hashed = argon.hash_password_into_with_memory(password, salt, &mut key[..], &mut blocks);
            hashed.map_err(|e| e.to_string())?;
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold() {
        let secret = Secret::Password(Zeroizing::new(b"x".to_vec()));
        for cost in [(4 << 20) + 1, 8191, 0] {
            let cost = Cost { memory_kib: cost, passes: 1, lanes: 1 };
            assert!(stretch(&secret, &[0; 32], &cost).is_err());
        }
        let cost = Cost { memory_kib: 8192, passes: 1, lanes: 4 };
        let key = stretch(&secret, &[0; 32], &cost).unwrap();
        assert_ne!(*key, *stretch(&secret, &[1; 32], &cost).unwrap());
        assert_eq!(format!("{secret:?}"), "Password(...)");
    }
}
