#pragma once
// An archive of torch.export (.pt2) with several programs and our description of them, extra/ddls.json
// (docs/export.md). Its programs run in LibTorch's nativert: graphs of ATen operations, data and no native code,
// without autograd. Compiled ones, which are native code: pt2_compiled.hpp.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace ddls::tensor {

struct Pt2Archive {
  std::filesystem::path file;
  std::set<std::string> programs = {};  // names
  std::set<std::string> compiled = {};  // of those that are there as native code, too
  std::string description = {};         // ddls.json
  std::string cure = {};                // "write it with ..."
};

// What writes archives, for messages.
inline constexpr const char *gan_exporter = "tools/export_gan.py", *extractor_exporter = "tools/export_extractor.py";

// Throws Error: missing (`what` names the option), or data: no archive (and what it is instead), cut off, damaged, of
// compiled code alone, without a ddls.json.
Pt2Archive open_pt2(const std::filesystem::path& file, const std::string& what, const char* exporter = gan_exporter);

// One program, loaded. Copies share it. Not for several threads at once.
class Pt2Program {
 public:
  Pt2Program() = default;
  // Throws Error(data) where the archive has none of this name, or LibTorch cannot load it.
  Pt2Program(const Pt2Archive& archive, const std::string& name);
  // Of that name, run by `run`, whose tensors belong to nobody else.
  using Run = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;
  Pt2Program(std::string file, std::string name, Run run)
      : file_(std::move(file)), name_(std::move(name)), run_(std::move(run)) {}

  // The inputs are made contiguous; undefined ones are left out. Outputs are tensors of our own, without a gradient.
  // Throws what the interpreter throws, and Error(data) where another number of tensors comes back.
  std::vector<at::Tensor> operator()(const std::vector<at::Tensor>& inputs, size_t outputs) const;

  explicit operator bool() const { return run_ != nullptr; }
  const std::string& name() const { return name_; }

 private:
  std::string file_, name_;
  Run run_;
};

}  // namespace ddls::tensor
