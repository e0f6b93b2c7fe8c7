//! Source's `pace` by itself, so that its tests run on a clock that can be moved. The modules are links to source's.

pub mod pace;

/// What `pace` uses of the spec.
pub mod spec {
    #[allow(dead_code)]
    pub mod policy;
    #[allow(dead_code)]
    pub mod shape;
    pub use shape::{Rate, Retry};
}
