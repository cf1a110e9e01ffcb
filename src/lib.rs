//! cratedigger exports Spotify data on a schedule.
