//! The TLS library: rustls with ring, so that no C library has to be found.

use std::sync::Once;

/// Installs the one TLS implementation that is compiled in. Call it before the first
/// connection; calling it again does no harm.
pub fn choose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
