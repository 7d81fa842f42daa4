-- Something for the interpreter to do: calls, tables, strings, closures, for as many rounds as `rounds` says.

local function fibonacci(n)
  if n < 2 then return n end
  return fibonacci(n - 1) + fibonacci(n - 2)
end

local rounds = 30
for round = 1, rounds do
  assert(fibonacci(20) == 6765)
  local words = {}
  for i = 1, 5000 do words[i] = ("%d-%d"):format(i * 7919 % 1000, i) end
  table.sort(words)
  local text = table.concat(words, " ")
  local seen, total = {}, 0
  for left, right in text:gmatch("(%d+)-(%d+)") do
    seen[left] = (seen[left] or 0) + tonumber(right)
  end
  for _, sum in pairs(seen) do total = total + sum end
  assert(total == 5000 * 5001 // 2)
end
