pub fn check_headers(_: &[(String, String)]) -> Result<(), String> {
    Ok(())
}
