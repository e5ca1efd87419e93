#include "tensor/torchscript_file.hpp"

#include <torch/script.h>
#include <unistd.h>
#include <zip.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/foreign_network.hpp"

namespace ddls::tensor {
namespace {

constexpr const char* how_to = "write it with torch.jit.trace or torch.jit.script and .save";

struct Content {
  bool zip = false, complete = false, script = false, exported = false, saved = false;
};

Content content_of(const fs::path& file) {
  Content content;
  std::array<char, 4> first{};
  std::ifstream(file, std::ios::binary).read(first.data(), first.size());
  content.zip = std::memcmp(first.data(), "PK\3\4", 4) == 0;
  content.saved = first[0] == '\x80' && first[1] > 0 && first[1] < 6;  // a pickle: torch.save before 1.6
  if (!content.zip) return content;
  zip_t* const archive = zip_open(file.c_str(), ZIP_RDONLY, nullptr);
  if (archive == nullptr) return content;
  content.complete = true;
  for (zip_int64_t i = 0; i < zip_get_num_entries(archive, 0); ++i) {
    const char* const entry = zip_get_name(archive, static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    const std::string name = entry == nullptr ? "" : entry;
    content.script = content.script || name.ends_with("/constants.pkl");
    content.saved = content.saved || name.ends_with("/data.pkl");
    content.exported =
        content.exported || name.ends_with("archive_format") || name.ends_with("serialized_exported_program.json");
  }
  zip_discard(archive);
  return content;
}

// LibTorch looks at no checksum: changed weights would be other weights.
void require_checksums(const fs::path& file) {
  zip_t* const opened = zip_open(file.c_str(), ZIP_RDONLY, nullptr);
  if (opened == nullptr) return;  // what it is instead, `refuse` says
  const std::unique_ptr<zip_t, decltype(&zip_discard)> archive(opened, zip_discard);
  std::vector<char> piece(size_t{1} << 20);
  for (zip_int64_t i = 0; i < zip_get_num_entries(opened, 0); ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> entry(zip_fopen_index(opened, index, 0), zip_fclose);
    zip_int64_t read = entry ? 1 : -1;
    while (read > 0) read = zip_fread(entry.get(), piece.data(), piece.size());
    if (read == 0) continue;
    const char* const name = zip_get_name(opened, index, ZIP_FL_ENC_RAW);
    fail(Exit::data, "{}: damaged: '{}' in it is not what its checksum says; copy or save the file again",
         file.string(), name == nullptr ? "a file" : name);
  }
}

[[noreturn]] void refuse(const fs::path& file, const std::string& reason) {
  const Content content = content_of(file);
  const std::string name = file.string();
  if (content.zip && !content.complete)
    fail(Exit::data, "{}: damaged: the archive has no end; it was cut off while it was copied or written", name);
  if (content.exported) fail(Exit::data, "{}: a program of torch.export and not a TorchScript file; {}", name, how_to);
  if (content.saved && !content.script)
    fail(Exit::data,
         "{}: written by torch.save (weights or a pickled module) and not a TorchScript file: build the network in "
         "Python, load these weights, and {}",
         name, how_to);
  if (content.script) fail(Exit::data, "{}: TorchScript that cannot be loaded: {}", name, reason);
  fail(Exit::data, "{}: not a TorchScript file; {}", name, how_to);
}

}  // namespace

torch::jit::Module load_torchscript(const fs::path& file, const std::string& what, c10::Device device) {
  if (!fs::exists(file)) fail(Exit::missing, "{}: there is no such file ({})", file.string(), what);
  if (fs::is_directory(file)) fail(Exit::data, "{}: a folder and not a TorchScript file ({})", file.string(), what);
  if (access(file.c_str(), R_OK) != 0)
    fail(Exit::missing, "{}: cannot be read ({}): {}", file.string(), what, std::strerror(errno));
  require_checksums(file);
  try {
    torch::jit::Module module = torch::jit::load(file.string(), device);
    if (!module.find_method("forward")) fail(Exit::data, "{}: TorchScript without a forward", file.string());
    module.eval();
    for (at::Tensor parameter : module.parameters()) parameter.requires_grad_(false);
    return module;
  } catch (...) {
    refuse(file, reason_or_rethrow());
  }
}

NamedTensors tensors_of(const torch::jit::Module& module) {
  NamedTensors tensors;
  for (const auto& item : module.named_parameters()) tensors[item.name] = item.value;
  for (const auto& item : module.named_buffers()) tensors[item.name] = item.value;
  return tensors;
}

std::string type_of(const c10::IValue& value) { return value.type()->repr_str(); }

}  // namespace ddls::tensor
