#include "app/info.hpp"

#include <ATen/Version.h>
#include <fmt/format.h>
#include <mpi.h>

#include <thread>

#include "app/abilities.hpp"
#include "base/json.hpp"
#include "base/json_text.hpp"
#include "base/output.hpp"
#include "device/cuda_bridge.hpp"
#include "dist/nccl_channel.hpp"
#include "version.hpp"

namespace ddls::app {
namespace {

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  std::string line(text, static_cast<size_t>(length));
  return line.substr(0, line.find(','));
}

Json devices() {
  const device::Devices found = device::devices();
  Json all = Json::array();
  for (int i = 0; i < found.count; ++i) all.push_back(device::device_name(i) + " " + device::device_pci_bus_id(i));
  return all;
}

}  // namespace

std::string info_text(const dist::Topology& topology, const std::string& launcher_mismatch,
                      const std::string& json_file) {
  const device::Devices found = device::devices();
  const std::string built_with_cuda = version::cuda;
  const std::string nccl = dist::nccl_version();
  Json info{{"version", version::project},
            {"git_commit", version::git_commit},
            {"build", version::build_type},
            {"compiler", version::compiler},
            {"torch", version::torch},
            {"cuda", built_with_cuda.empty() ? Json(nullptr) : Json(built_with_cuda)},
            {"nccl", nccl.empty() ? Json(nullptr) : Json(nccl)},
            {"mpi", mpi_library()},
            {"cpu_capability", at::get_cpu_capability()},
            {"cpu_cores", std::thread::hardware_concurrency()},
            {"devices", devices()},
            {"ranks", topology.ranks},
            {"transport", dist::name_of(topology.transport)}};
  const std::vector<Ability> can = abilities(topology);
  for (const Ability& one : can)
    info["abilities"].push_back({{"name", one.name}, {"here", one.here}, {"note", one.note}});
  if (!launcher_mismatch.empty()) info["launcher_mismatch"] = launcher_mismatch;
  if (!json_file.empty()) write_named_file(json_file, json_text(info, 2) + "\n");

  std::string text;
  for (const auto& [key, value] : info.items()) {
    if (key == "abilities") continue;
    text += fmt::format("{:<18}{}\n", key,
                        value.is_string() ? value.get<std::string>()
                        : value.is_null() ? "none"
                                          : value.dump());
  }
  if (found.count == 0 && !found.problem.empty()) text += fmt::format("{:<18}{}\n", "no GPU", found.problem);
  text += "\nwhat it can do here\n";
  for (const Ability& one : can)
    text += fmt::format("{:<18}{}{}{}\n", one.name, one.here ? "yes" : "no", one.note.empty() ? "" : ": ", one.note);
  return text + "\n" + topology.table();
}

}  // namespace ddls::app
