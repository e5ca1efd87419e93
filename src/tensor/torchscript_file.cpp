#include "tensor/torchscript_file.hpp"

#include <torch/csrc/jit/python/update_graph_executor_opt.h>
#include <torch/script.h>

#include <array>
#include <fstream>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/foreign_network.hpp"
#include "tensor/zip_reader.hpp"

namespace ddls::tensor {
namespace {

constexpr const char* how_to = "write it with torch.jit.trace or torch.jit.script and .save";

struct Content {
  ZipState zip = ZipState::none;
  bool script = false, exported = false, saved = false;
};

Content content_of(const fs::path& file) {
  Content content{.zip = zip_state(file)};
  std::array<char, 2> first{};
  std::ifstream(file, std::ios::binary).read(first.data(), first.size());
  content.saved = first[0] == '\x80' && first[1] > 0 && first[1] < 6;  // a pickle: torch.save before 1.6
  if (content.zip != ZipState::complete) return content;
  for (const std::string& name : zip_entries(file)) {
    content.script = content.script || name.ends_with("/constants.pkl");
    content.saved = content.saved || name.ends_with("/data.pkl");
    content.exported =
        content.exported || name.ends_with("archive_format") || name.ends_with("serialized_exported_program.json");
  }
  return content;
}

[[noreturn]] void refuse(const fs::path& file, const std::string& reason) {
  const Content content = content_of(file);
  const std::string name = file.string();
  if (content.zip == ZipState::cut)
    fail(Exit::data, "{}: damaged: the archive has no end; it was cut off while it was copied or written", name);
  if (content.exported)
    fail(Exit::data,
         "{}: a program of torch.export and not a TorchScript file; if it was written by tools/export_gan.py or "
         "tools/export_extractor.py, name it .pt2 (docs/export.md)",
         name);
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
  require_readable(file, what, "a TorchScript file");
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

GraphsAs::GraphsAs(Form form) : before_(torch::jit::getGraphExecutorOptimize()) {
  torch::jit::setGraphExecutorOptimize(form == rewritten);
}

GraphsAs::~GraphsAs() { torch::jit::setGraphExecutorOptimize(before_); }

NamedTensors tensors_of(const torch::jit::Module& module) {
  NamedTensors tensors;
  for (const auto& item : module.named_parameters()) tensors[item.name] = item.value;
  for (const auto& item : module.named_buffers()) tensors[item.name] = item.value;
  return tensors;
}

std::string type_of(const c10::IValue& value) { return value.type()->repr_str(); }

}  // namespace ddls::tensor
