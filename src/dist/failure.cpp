#include "dist/failure.hpp"

#include <c10/util/Exception.h>

#include <filesystem>
#include <new>
#include <string_view>

namespace ddls::dist {

namespace {

// Torch throws what cuDNN, cuBLAS and their kin say as errors of its own without a class that the CPU's headers know.
bool is_of_the_gpu(std::string_view text) {
  for (const std::string_view beginning : {"CUDA error: ", "cuDNN error: ", "cuDNN Frontend error: ",
                                           "cusolver error: ", "CUDA driver error: ", "cuFFT error: "})
    if (text.starts_with(beginning)) return true;
  return false;
}

}  // namespace

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const c10::OutOfMemoryError& error) {
    return {Exit::runtime, error.what_without_backtrace()};
  } catch (const c10::AcceleratorError& error) {
    return {Exit::runtime, std::string("the GPU failed: ") + error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    const std::string_view text = error.what_without_backtrace();
    if (is_of_the_gpu(text)) return {Exit::runtime, fmt::format("the GPU failed: {}", text)};
    return {Exit::internal, std::string("internal error in Torch: ") + error.what_without_backtrace()};
  } catch (const std::filesystem::filesystem_error& error) {  // names the path and the system's reason
    return {Exit::runtime, error.what()};
  } catch (const std::bad_alloc&) {
    return {Exit::runtime, "out of memory"};
  } catch (const std::exception& error) {
    return {Exit::internal, std::string("internal error: ") + error.what()};
  } catch (...) {
    return {Exit::internal, "internal error: an exception of unknown type"};
  }
}

}  // namespace ddls::dist
