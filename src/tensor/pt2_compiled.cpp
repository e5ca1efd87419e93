#include "tensor/pt2_compiled.hpp"

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <sys/mman.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner_cpu.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "device/device_of.hpp"
#include "tensor/foreign_network.hpp"
#include "tensor/zip_reader.hpp"
#include "version.hpp"

namespace ddls::tensor {
namespace {

// The archive's file of a compiled program whose name ends so; empty: there is none.
std::string entry_of(const Pt2Archive& archive, const std::string& name, std::string_view ending) {
  const std::string folder = fmt::format("/data/aotinductor/{}/", name);
  for (const std::string& entry : zip_entries(archive.file))
    if (entry.substr(std::min(entry.find('/'), entry.size())).starts_with(folder) && entry.ends_with(ending))
      return entry;
  return {};
}

struct Made {
  std::string device, instructions;
};

Made made_for(const Pt2Archive& archive, const std::string& name) {
  const std::string where = fmt::format("{}: metadata of its compiled program '{}'", archive.file.string(), name);
  const std::optional<std::string> text = zip_entry(archive.file, entry_of(archive, name, "_metadata.json"));
  if (!text) fail(Exit::data, "{}: missing, so nothing says what it is compiled for; export it anew", where);
  const Json json = parse_json_object(*text, where);
  return {json_field<std::string>(json, "AOTI_DEVICE_KEY", where),
          json_field<std::string>(json, "AOTI_CPU_ISA", where)};
}

// Compilers that differ in their last digit alone are not told apart: "2.11.0+cpu" is 2.11.0.
std::string release(const std::string& version) { return version.substr(0, version.find('+')); }

// Code of AVX2 runs where ATen takes AVX512, too.
bool has_instructions(const std::string& wanted) {
  const std::string here = at::get_cpu_capability();
  return wanted == here || (wanted == "AVX2" && here == "AVX512");
}

// A library in memory, under a name of its own. Not in a folder of temporary files, which may be full or mounted
// without the right to run, and where a killed process would leave it. Its descriptor stays open, because the loader
// takes two libraries of the same name for one, and not all can be unloaded.
std::string in_memory(const std::string& bytes, const std::string& name) {
  const int descriptor = memfd_create(name.c_str(), MFD_CLOEXEC);
  if (descriptor < 0) fail(Exit::runtime, "no memory file: {}", std::strerror(errno));
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t written = write(descriptor, bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno != EINTR)
      fail(Exit::runtime, "memory file of {} bytes: {}", bytes.size(), std::strerror(errno));
    at += static_cast<size_t>(std::max<ssize_t>(written, 0));
  }
  return fmt::format("/proc/self/fd/{}", descriptor);
}

void require_like(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& like,
                  const std::string& label) {
  bool same = inputs.size() == like.size();
  for (size_t i = 0; same && i < inputs.size(); ++i)
    same = inputs[i].dim() > 0 && inputs[i].sizes().slice(1) == like[i].sizes().slice(1) &&
           inputs[i].scalar_type() == like[i].scalar_type() && inputs[i].is_cpu() &&
           inputs[i].size(0) == inputs[0].size(0);
  if (same) return;
  std::vector<std::string> given;
  for (const at::Tensor& x : inputs)
    given.push_back(fmt::format("[{}] {}", fmt::join(x.sizes(), ", "), toString(x.scalar_type())));
  fail(Exit::data, "program '{}' was given {}, which it does not take", label, fmt::join(given, ", "));
}

}  // namespace

std::string why_not_compiled(const Pt2Archive& archive, const Pt2Origin& origin, c10::Device device) {
  if (archive.compiled.empty()) return "it has no compiled ones";
  if (release(origin.torch) != release(version::torch))
    return fmt::format("the others are compiled with torch {}, and this is {}", origin.torch, version::torch);
  for (const std::string& name : archive.compiled) {
    const Made made = made_for(archive, name);
    if (made.device != device::kind_of(device) || made.device != "cpu")
      return fmt::format("the others are compiled for the device '{}', and this rank computes on {}", made.device,
                         device.str());
    if (!has_instructions(made.instructions))
      return fmt::format("the others are compiled for {}, and this processor has {}", made.instructions,
                         at::get_cpu_capability());
  }
  return {};
}

std::string instruction_set(const Pt2Archive& archive, const std::string& name) {
  return made_for(archive, name).instructions;
}

Pt2Program compiled_program(const Pt2Archive& archive, const std::string& name, const std::vector<at::Tensor>& like) {
  const std::string label = name + ", compiled";
  std::shared_ptr<torch::inductor::AOTIModelContainerRunner> code;
  try {
    const std::string entry = entry_of(archive, name, ".so");
    const std::optional<std::string> library = zip_entry(archive.file, entry);
    if (!library) fail(Exit::runtime, "its library is not in the archive");
    code = std::make_shared<torch::inductor::AOTIModelContainerRunnerCpu>(in_memory(*library, name), 1,
                                                                          /*run_single_threaded=*/true);
  } catch (const std::exception& error) {
    fail(Exit::runtime, "{}: its compiled program '{}' cannot be loaded: {}", archive.file.string(), name,
         short_reason(error));
  }
  std::vector<at::Tensor> given;
  for (const at::Tensor& x : like)
    if (x.defined()) given.push_back(x);
  return {archive.file.string(), label, [code, given, label](const std::vector<at::Tensor>& inputs) {
            require_like(inputs, given, label);
            at::NoGradGuard no_grad;
            std::vector<at::Tensor> outputs = code->run(inputs);
            // One may be a constant of the program, or an input.
            for (at::Tensor& output : outputs) output = output.clone(at::MemoryFormat::Contiguous);
            return outputs;
          }};
}

}  // namespace ddls::tensor
