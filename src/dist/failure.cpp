#include "dist/failure.hpp"

#include <c10/util/Exception.h>

#include <filesystem>
#include <new>

namespace ddls {

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const c10::OutOfMemoryError& error) {
    return {Exit::runtime, error.what_without_backtrace()};
  } catch (const c10::Error& error) {
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

}  // namespace ddls
