//! Pages and components of the web app. Empty until the browser work begins.
