#include <unistd.h>

#include <optional>
#include <system_error>

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/npy_header.hpp"
#include "tensor/npz.hpp"
#include "tensor/stored_zip.hpp"

namespace ddls::tensor {

struct NpzWriter::State {
  fs::path path, partial;
  std::vector<Entry> entries;
  std::optional<StoredZip> zip;
  size_t current = 0;  // the entry that waits for rows
  int64_t rows = 0;    // that it has got
  bool finished = false;

  ~State() {
    if (finished || !zip) return;
    zip.reset();
    std::error_code ignored;
    fs::remove(partial, ignored);
  }

  // Opens the current entry. An array without rows gets no append() and is complete at once.
  void open_entries() {
    while (current < entries.size()) {
      const Entry& entry = entries[current];
      const NpyHeader header{entry.dtype, entry.sizes};
      const std::string text = npy_header_text(header);
      zip->begin(entry.name + ".npy", text.size() + static_cast<uint64_t>(header.bytes()));
      zip->write(std::as_bytes(std::span(text)));
      rows = 0;
      if (entry.sizes.empty() || entry.sizes[0] > 0) return;
      close_entry();
    }
  }
  void close_entry() {
    zip->end();
    ++current;
  }
};

NpzWriter::NpzWriter(fs::path path, std::vector<Entry> entries) : state_(std::make_unique<State>()) {
  state_->path = std::move(path);
  state_->partial = state_->path;
  state_->partial += ".partial";
  state_->entries = std::move(entries);
  state_->zip.emplace(state_->partial);
  state_->open_entries();
}

NpzWriter::~NpzWriter() = default;

void NpzWriter::append(const at::Tensor& rows) {
  State& s = *state_;
  ensure(s.current < s.entries.size(), "npz '{}': all arrays are complete", s.path.string());
  const Entry& entry = s.entries[s.current];
  const bool scalar = entry.sizes.empty();
  const bool fits = rows.scalar_type() == entry.dtype && rows.dim() == static_cast<int64_t>(entry.sizes.size()) &&
                    (scalar || rows.sizes().slice(1).equals(at::IntArrayRef(entry.sizes).slice(1))) &&
                    (scalar || s.rows + rows.size(0) <= entry.sizes[0]);
  ensure(fits, "npz '{}': a piece does not fit array '{}' ({} rows so far)", s.path.string(), entry.name, s.rows);
  const at::Tensor dense = rows.detach().to(at::kCPU).contiguous();
  s.zip->write({static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()});
  s.rows += scalar ? 1 : rows.size(0);
  if (s.rows < (scalar ? 1 : entry.sizes[0])) return;
  s.close_entry();
  s.open_entries();
}

void NpzWriter::finish() {
  State& s = *state_;
  ensure(!s.finished, "npz '{}' is finished twice", s.path.string());
  if (s.current < s.entries.size()) {
    fail(Exit::internal, "npz '{}': array '{}' has got {} rows only", s.path.string(), s.entries[s.current].name,
         s.rows);
  }
  s.zip->finish();
  std::error_code error;
  fs::rename(s.partial, s.path, error);
  if (error) fail(Exit::runtime, "cannot write '{}': {}", s.path.string(), error.message());
  sync_folder(s.path.has_parent_path() ? s.path.parent_path() : fs::path("."));
  s.finished = true;
}

void write_npz(const fs::path& path, const NamedTensors& arrays) {
  std::vector<NpzWriter::Entry> entries;
  for (const auto& [name, tensor] : arrays) entries.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
  NpzWriter writer(path, std::move(entries));
  for (const auto& [name, tensor] : arrays) {
    if (tensor.dim() == 0 || tensor.size(0) > 0) writer.append(tensor);
  }
  writer.finish();
}

}  // namespace ddls::tensor
