//! Forwarding the three registration methods to sub-sources.

/// Registers several sub-sources in turn; stops at the first error.
///
/// ```text
/// batch_register!(poll, token_factory, self.one, self.other)
/// ```
///
/// It stands in an [`EventSource::register`](crate::EventSource::register) and is an expression of
/// type [`Result<()>`](crate::Result); see [`EventSource`](crate::EventSource) for one in use.
#[macro_export]
macro_rules! batch_register {
    ($poll:expr, $token_factory:expr, $($source:expr),* $(,)?) => {{
        $( $source.register($poll, $token_factory)?; )*
        $crate::Result::<()>::Ok(())
    }};
}

/// Renews the registration of several sub-sources in turn; stops at the first error.
///
/// As [`batch_register!`], in an [`EventSource::reregister`](crate::EventSource::reregister).
#[macro_export]
macro_rules! batch_reregister {
    ($poll:expr, $token_factory:expr, $($source:expr),* $(,)?) => {{
        $( $source.reregister($poll, $token_factory)?; )*
        $crate::Result::<()>::Ok(())
    }};
}

/// Unregisters several sub-sources in turn; stops at the first error.
///
/// As [`batch_register!`], in an [`EventSource::unregister`](crate::EventSource::unregister).
#[macro_export]
macro_rules! batch_unregister {
    ($poll:expr, $($source:expr),* $(,)?) => {{
        $( $source.unregister($poll)?; )*
        $crate::Result::<()>::Ok(())
    }};
}
