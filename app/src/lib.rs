//! Pages and components of the web app, and the computations behind them.
//!
//! Whatever computes runs in a worker; the page only shows. One place is
//! built: the [`lab`], which needs no server.

pub mod lab;
