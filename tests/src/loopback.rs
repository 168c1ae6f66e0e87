//! Serves a router over loopback, for servers that the service calls: an
//! issuer, a collector.

use anyhow::Result;
use axum::Router;

/// Answers on a port of its own until the process ends. Returns its address,
/// `http://127.0.0.1:port`.
///
/// # Errors
/// If no port is free.
pub fn serve(router: Router) -> Result<String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = format!("http://{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                // It ends with the process.
                let _ = axum::serve(listener, router).await;
            }
        });
    });
    Ok(address)
}
