use pgrx::datum::FromDatum;
use pgrx::pg_sys::{self, Datum};

/// Which quota: a tenant and a meter, as SQL passed them.
#[derive(Clone, Copy)]
pub struct Key {
    tenant: Datum,
    meter: Datum,
}

impl Key {
    /// # Safety
    /// The first is a `uuid` and the second a detoasted `text`; both outlive the key.
    pub unsafe fn new(tenant: Datum, meter: Datum) -> Self {
        Key { tenant, meter }
    }

    /// A key that lives as long as the current memory context.
    pub fn of(tenant: &pgrx::Uuid, meter: &str) -> Self {
        use pgrx::datum::IntoDatum;
        // A uuid and a text always have a datum.
        Key {
            tenant: (*tenant).into_datum().unwrap_or(Datum::from(0usize)),
            meter: meter.into_datum().unwrap_or(Datum::from(0usize)),
        }
    }

    pub fn tenant_datum(&self) -> Datum {
        self.tenant
    }

    pub fn meter_datum(&self) -> Datum {
        self.meter
    }

    pub fn tenant(&self) -> pgrx::Uuid {
        // SAFETY: `new` demands a uuid.
        unsafe { pgrx::Uuid::from_datum(self.tenant, false) }
            .unwrap_or(pgrx::Uuid::from_bytes([0; 16]))
    }

    pub fn meter(&self) -> &str {
        // SAFETY: `new` demands a text.
        unsafe { <&str>::from_datum(self.meter, false) }.unwrap_or_default()
    }

    /// A number that is the same for the same key and, most likely, no other.
    pub fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.tenant().as_bytes().hash(&mut hasher);
        self.meter().hash(&mut hasher);
        hasher.finish()
    }
}

/// The session's number among those that are connected: small and dense, so that sessions spread over slots without a draw.
pub fn session_number() -> usize {
    // SAFETY: set once, when the session starts.
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    let number = unsafe { pg_sys::MyBackendId };
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: as above.
    let number = unsafe { pg_sys::MyProcNumber };
    usize::try_from(number).unwrap_or(0)
}
