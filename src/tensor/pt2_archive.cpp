#include "tensor/pt2_archive.hpp"

#include <ATen/ATen.h>
#include <c10/util/Flags.h>
#include <torch/nativert/ModelRunnerHandle.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/foreign_network.hpp"
#include "tensor/zip_reader.hpp"

C10_DECLARE_int(caffe2_log_level);

namespace ddls::tensor {
namespace {

// LibTorch warns of every operation without a kernel of nativert's own; it takes the usual one then.
class QuietLoading {
 public:
  QuietLoading() : before_(FLAGS_caffe2_log_level) { FLAGS_caffe2_log_level = 2; }
  ~QuietLoading() { FLAGS_caffe2_log_level = before_; }
  QuietLoading(const QuietLoading&) = delete;
  QuietLoading& operator=(const QuietLoading&) = delete;

 private:
  int before_;
};

// "DIR/FOLDER/NAME.json" -> "NAME", for FOLDER/ and .json as given; empty for every other entry.
std::string name_between(const std::string& entry, std::string_view folder, std::string_view ending) {
  const size_t end = entry.find('/');
  if (end == std::string::npos || entry.compare(end + 1, folder.size(), folder) != 0 || !entry.ends_with(ending))
    return {};
  const size_t begin = end + 1 + folder.size();
  return entry.substr(begin, entry.size() - begin - ending.size());
}

}  // namespace

Pt2Archive open_pt2(const fs::path& file, const std::string& what, const char* exporter) {
  const std::string pt2_cure = fmt::format("write it with {} (docs/export.md)", exporter);
  require_readable(file, what, "a .pt2 archive");
  const std::string name = file.string();
  const ZipState state = zip_state(file);
  if (state == ZipState::none) fail(Exit::data, "{}: no .pt2 archive; {}", name, pt2_cure);
  if (state == ZipState::cut)
    fail(Exit::data, "{}: damaged: the archive has no end; it was cut off while it was copied or written", name);
  const std::vector<std::string> entries = zip_entries(file);
  const auto has = [&](std::string_view ending) {
    return std::any_of(entries.begin(), entries.end(), [&](const std::string& e) { return e.ends_with(ending); });
  };
  if (has("/constants.pkl")) fail(Exit::data, "{}: a TorchScript file and not a .pt2 archive; name it .pt", name);
  if (has("/data.pkl"))
    fail(Exit::data, "{}: written by torch.save (weights or a pickled module) and not a .pt2 archive; {}", name,
         pt2_cure);
  if (!has("/archive_format")) fail(Exit::data, "{}: a .zip, but no .pt2 archive; {}", name, pt2_cure);
  require_checksums(file);
  Pt2Archive archive{.file = file, .cure = pt2_cure};
  for (const std::string& entry : entries) {
    if (const std::string program = name_between(entry, "models/", ".json"); !program.empty())
      archive.programs.insert(program);
    if (const std::string library = name_between(entry, "data/aotinductor/", ".so"); !library.empty())
      archive.compiled.insert(library.substr(0, library.find('/')));
  }
  if (archive.programs.empty())
    fail(Exit::data, "{}: it holds no program of torch.export{}; {}", name,
         has(".so") ? ", but compiled code (AOTInductor), which is not run" : "", pt2_cure);
  const std::optional<std::string> description =
      zip_entry(file, entries.front().substr(0, entries.front().find('/')) + "/extra/ddls.json");
  if (!description)
    fail(Exit::data, "{}: it has no ddls.json, which says what its programs are (it has {}); {}", name,
         fmt::join(archive.programs, ", "), pt2_cure);
  archive.description = *description;
  return archive;
}

Pt2Program::Pt2Program(const Pt2Archive& archive, const std::string& name) : file_(archive.file.string()), name_(name) {
  if (archive.programs.count(name) == 0)
    fail(Exit::data, "{}: it has no program '{}' (it has {}); {}", file_, name, fmt::join(archive.programs, ", "),
         archive.cure);
  const auto runner = in_network(file_, fmt::format("its program '{}' cannot be loaded", name), [&] {
    const QuietLoading quiet;
    return std::make_shared<torch::nativert::ModelRunnerHandle>(file_, name);
  });
  run_ = [runner](const std::vector<at::Tensor>& inputs) {
    std::vector<at::Tensor> tensors;
    for (const c10::IValue& value :
         runner->runWithFlatInputsAndOutputs(std::vector<c10::IValue>(inputs.begin(), inputs.end())))
      // Theirs are inference tensors, and may be memory of the runner.
      tensors.push_back(value.isTensor() ? value.toTensor().clone(at::MemoryFormat::Contiguous) : at::Tensor());
    return tensors;
  };
}

std::vector<at::Tensor> Pt2Program::operator()(const std::vector<at::Tensor>& inputs, size_t outputs) const {
  std::vector<at::Tensor> values;
  for (const at::Tensor& input : inputs)
    if (input.defined()) values.push_back(input.detach().contiguous());
  std::vector<at::Tensor> given = run_(values);
  if (given.size() != outputs)
    fail(Exit::data, "{}: its program '{}' gives {} values, not {}", file_, name_, given.size(), outputs);
  for (const at::Tensor& value : given)
    if (!value.defined()) fail(Exit::data, "{}: its program '{}' gives what is no tensor", file_, name_);
  return given;
}

}  // namespace ddls::tensor
