// Loaded before Azurite: its standard input is a pipe that only the starting process holds, so the end of that process,
// however it comes, ends Azurite too, on every platform.
process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
