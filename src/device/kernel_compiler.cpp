#include "device/kernel_compiler.hpp"

#include <dlfcn.h>
#include <nvrtc.h>

#include <algorithm>
#include <climits>
#include <string_view>

#include "base/error.hpp"
#include "device/kernel_sources.hpp"

namespace ddls::device {
namespace {

class Nvrtc {
 public:
  static const Nvrtc& get() {
    static const Nvrtc loaded = [] {
      Nvrtc nvrtc;
      nvrtc.load_builtins();
      return nvrtc;
    }();
    return loaded;
  }

 private:
  // Before the members that are found in it.
  void* library_ = open();

  static void* open() {
    void* library = dlopen(DDLS_NVRTC, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      fail(Exit::runtime, "the kernels for a GPU are compiled by NVRTC, which comes with LibTorch, but: {}", dlerror());
    return library;
  }

  // NVRTC looks for its second library by name alone, where the loader looks: not in its own folder. One that is loaded
  // already is found. If it is not there NVRTC says so.
  void load_builtins() const {
    int major = 0, minor = 0;
    char folder[PATH_MAX] = "";
    if (version(&major, &minor) != NVRTC_SUCCESS || dlinfo(library_, RTLD_DI_ORIGIN, folder) != 0) return;
    dlopen(fmt::format("{}/libnvrtc-builtins.so.{}.{}", folder, major, minor).c_str(), RTLD_NOW | RTLD_LOCAL);
  }

  template <typename Function>
  Function* find(const char* name) const {
    void* function = dlsym(library_, name);
    if (!function) fail(Exit::runtime, "{} has no {}", DDLS_NVRTC, name);
    return reinterpret_cast<Function*>(function);
  }

 public:
  decltype(&nvrtcVersion) version = find<decltype(nvrtcVersion)>("nvrtcVersion");
  decltype(&nvrtcGetErrorString) error_text = find<decltype(nvrtcGetErrorString)>("nvrtcGetErrorString");
  decltype(&nvrtcGetNumSupportedArchs) count_targets =
      find<decltype(nvrtcGetNumSupportedArchs)>("nvrtcGetNumSupportedArchs");
  decltype(&nvrtcGetSupportedArchs) targets = find<decltype(nvrtcGetSupportedArchs)>("nvrtcGetSupportedArchs");
  decltype(&nvrtcCreateProgram) create = find<decltype(nvrtcCreateProgram)>("nvrtcCreateProgram");
  decltype(&nvrtcDestroyProgram) destroy = find<decltype(nvrtcDestroyProgram)>("nvrtcDestroyProgram");
  decltype(&nvrtcCompileProgram) compile = find<decltype(nvrtcCompileProgram)>("nvrtcCompileProgram");
  decltype(&nvrtcGetProgramLogSize) log_size = find<decltype(nvrtcGetProgramLogSize)>("nvrtcGetProgramLogSize");
  decltype(&nvrtcGetProgramLog) log = find<decltype(nvrtcGetProgramLog)>("nvrtcGetProgramLog");
  decltype(&nvrtcGetCUBINSize) cubin_size = find<decltype(nvrtcGetCUBINSize)>("nvrtcGetCUBINSize");
  decltype(&nvrtcGetCUBIN) cubin = find<decltype(nvrtcGetCUBIN)>("nvrtcGetCUBIN");
  decltype(&nvrtcGetPTXSize) ptx_size = find<decltype(nvrtcGetPTXSize)>("nvrtcGetPTXSize");
  decltype(&nvrtcGetPTX) ptx = find<decltype(nvrtcGetPTX)>("nvrtcGetPTX");

  void check(nvrtcResult result, const char* what) const {
    if (result != NVRTC_SUCCESS) fail(Exit::runtime, "NVRTC: {}: {}", what, error_text(result));
  }
};

class Program {
 public:
  Program(const Nvrtc& nvrtc, const std::vector<const char*>& names, const std::vector<const char*>& texts)
      : nvrtc_(nvrtc) {
    // The first is the program, the others are what it can include.
    nvrtc.check(nvrtc.create(&program_, texts[0], names[0], static_cast<int>(names.size()) - 1, texts.data() + 1,
                             names.data() + 1),
                "creating the program");
  }
  ~Program() { nvrtc_.destroy(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void compile(const std::vector<const char*>& options) {
    const nvrtcResult result = nvrtc_.compile(program_, static_cast<int>(options.size()), options.data());
    if (result == NVRTC_SUCCESS) return;
    fail(result == NVRTC_ERROR_COMPILATION ? Exit::internal : Exit::runtime, "NVRTC {}: {}: {}", nvrtc_version(),
         nvrtc_.error_text(result), text(nvrtc_.log_size, nvrtc_.log).c_str());
  }

  template <typename Size, typename Get>
  std::string text(const Size& size_of, const Get& get) const {
    size_t size = 0;
    nvrtc_.check(size_of(program_, &size), "asking for a size");
    std::string bytes(size, '\0');
    nvrtc_.check(get(program_, bytes.data()), "asking for a text");
    return bytes;
  }

 private:
  const Nvrtc& nvrtc_;
  nvrtcProgram program_ = nullptr;
};

std::vector<int> supported_targets(const Nvrtc& nvrtc) {
  int count = 0;
  nvrtc.check(nvrtc.count_targets(&count), "asking for the number of targets");
  std::vector<int> targets(static_cast<size_t>(count));
  nvrtc.check(nvrtc.targets(targets.data()), "asking for targets");
  return targets;
}

Program program_of(const Nvrtc& nvrtc) {
  std::vector<const char*> names, texts;
  const char* standard_library = nullptr;
  for (const SourceText& source : kernel_sources()) {
    names.push_back(source.name);
    texts.push_back(source.text);
    if (std::string_view(source.name) == "device/kernel_std.cuh") standard_library = source.text;
  }
  ensure(standard_library != nullptr, "the kernels' standard library was not copied into the program");
  for (const char* header : {"array", "cmath", "cstdint", "numbers"}) {
    names.push_back(header);
    texts.push_back(standard_library);
  }
  return {nvrtc, names, texts};
}

}  // namespace

std::string nvrtc_version() {
  int major = 0, minor = 0;
  const Nvrtc& nvrtc = Nvrtc::get();
  nvrtc.check(nvrtc.version(&major, &minor), "asking for its version");
  return fmt::format("{}.{}", major, minor);
}

std::string kernel_target(int capability, const std::vector<int>& supported) {
  if (std::find(supported.begin(), supported.end(), capability) != supported.end())
    return fmt::format("sm_{}", capability);
  int below = 0;
  for (const int one : supported)
    if (one < capability) below = std::max(below, one);
  return below == 0 ? "" : fmt::format("compute_{}", below);
}

KernelCode compile_kernels(int capability) {
  const Nvrtc& nvrtc = Nvrtc::get();
  const std::string target = kernel_target(capability, supported_targets(nvrtc));
  if (target.empty())
    fail(Exit::runtime, "the GPU has compute capability {}.{}, which is too old for the CUDA {} of LibTorch",
         capability / 10, capability % 10, nvrtc_version());
  Program program = program_of(nvrtc);
  const std::string architecture = "--gpu-architecture=" + target;
  // Without the second, products and sums would round otherwise than on the CPU. The third: what says nothing of where
  // it runs, as what is shared with the CPU, runs on the GPU.
  program.compile({architecture.c_str(), "--fmad=false", "--device-as-default-execution-space", "--std=c++20"});
  const bool binary = target.starts_with("sm_");
  return {target, binary ? program.text(nvrtc.cubin_size, nvrtc.cubin) : program.text(nvrtc.ptx_size, nvrtc.ptx)};
}

}  // namespace ddls::device
