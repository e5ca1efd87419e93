#include "device/kernel_compiler.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "device/kernel_sources.hpp"

namespace ddls::device::kernel_compiler_test {
namespace {

const char* const entries[] = {"ddls_fill_uniform", "ddls_fill_normal", "ddls_langevin_move"};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(KernelCompiler, ATargetIsTheGpusOwnOrAnOlderOnesPtx) {
  const std::vector<int> known{75, 80, 90, 100, 120};
  EXPECT_EQ(kernel_target(90, known), "sm_90");
  EXPECT_EQ(kernel_target(86, known), "compute_80");
  EXPECT_EQ(kernel_target(200, known), "compute_120");
  EXPECT_EQ(kernel_target(61, known), "");
}

TEST(KernelCompiler, ACubinForEveryKindOfGpuHasAllKernels) {
  for (const int capability : {80, 90, 100, 120}) {
    const KernelCode compiled = compile_kernels(capability);
    EXPECT_EQ(compiled.target, "sm_" + std::to_string(capability));
    EXPECT_TRUE(
        compiled.code.starts_with("\x7f"
                                  "ELF"));
    for (const char* entry : entries)
      EXPECT_TRUE(has(compiled.code, std::string(".text.") + entry)) << entry << " for " << compiled.target;
  }
}

// A product and a sum that become one instruction would round otherwise than on the CPU. In PTX those that may have no
// mark of their rounding.
TEST(KernelCompiler, PtxForUnknownGpusLeavesProductsAndSumsApart) {
  const KernelCode compiled = compile_kernels(990);
  EXPECT_TRUE(compiled.target.starts_with("compute_")) << compiled.target;
  for (const char* entry : entries) EXPECT_TRUE(has(compiled.code, std::string(".visible .entry ") + entry)) << entry;
  EXPECT_TRUE(has(compiled.code, "mul.rn.f32"));
  for (const char* loose : {"\tmul.f32", "\tadd.f32", "\tsub.f32"}) EXPECT_FALSE(has(compiled.code, loose)) << loose;
}

TEST(KernelCompiler, AnOldGpuIsRefused) {
  try {
    compile_kernels(61);
    ADD_FAILURE() << "compiled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::runtime);
    EXPECT_TRUE(has(error.what(), "compute capability 6.1")) << error.what();
  }
}

TEST(KernelCompiler, TheTextOfAllThatKernelsIncludeIsThere) {
  ASSERT_GE(kernel_sources().size(), 5U);
  EXPECT_STREQ(kernel_sources()[0].name, "device/noise_kernels.cu");
  EXPECT_FALSE(nvrtc_version().empty());
}

}  // namespace
}  // namespace ddls::device::kernel_compiler_test
