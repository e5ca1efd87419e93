#pragma once
// What an archive of LibTorch (TorchScript, .pt2) holds, read by libzip: LibTorch itself looks at no checksum.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ddls::tensor {

enum class ZipState { none, cut, complete };  // no archive; one without its end; one whose directory can be read

ZipState zip_state(const std::filesystem::path& file);

std::vector<std::string> zip_entries(const std::filesystem::path& file);  // none of what is no complete archive

// An entry's bytes; nullopt: it is not there, or cannot be read.
std::optional<std::string> zip_entry(const std::filesystem::path& file, const std::string& name);

// Throws Error(data) naming the first entry that is not what its checksum says. Does nothing where there is no complete
// archive.
void require_checksums(const std::filesystem::path& file);

// Throws Error: missing (not there, not readable), data (a folder). `what` names the option and `kind` what is
// expected.
void require_readable(const std::filesystem::path& file, const std::string& what, const char* kind);

}  // namespace ddls::tensor
