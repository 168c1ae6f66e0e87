//! Whose TLS is used: rustls with ring, so that no C library has to be found.

use std::sync::Once;

/// Names the one implementation that is compiled in. To be called before a
/// connection may want it; more than once does no harm.
pub fn choose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that it was chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
