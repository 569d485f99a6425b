"""How batches, invoices and payments look in an answer (contracts/avidxchange.md §3)."""

from sandbox.avid.records import METHOD_IDS, STATUS_IDS, UNLISTED_ID, Batch, Distribution, Invoice, Payment, Remittance
from sandbox.avid.switches import AvidSwitches
from sandbox.avid.wire import Forms, Json, Row


class Render:
    """Records as JSON rows, in the forms of one tenant."""

    def __init__(self, host: str, switches: AvidSwitches) -> None:
        self._host = host
        self._switches = switches
        self._forms = Forms(switches)

    def batch(self, batch: Batch) -> Row:
        """A closed batch with its link to the invoices."""
        forms = self._forms
        href = f"https://{self._host}/v1/invoices/batches/{batch.guid}/fullDetails"
        return {
            "BatchGUID": batch.guid,
            "BatchName": batch.name,
            "InvoiceCount": len(batch.invoices),
            "BatchTotal": forms.money(batch.total),
            "DateClosed": None if batch.date_closed is None else forms.stamp(batch.date_closed),
            "Links": [{"Rel": "full-details", "Href": href}],
        }

    def invoice(self, invoice: Invoice) -> Row:
        """An invoice; PostingDate and CurrencyCode only where the tenant has them."""
        forms = self._forms
        row: Row = {
            "Id": forms.id(invoice.id),
            "Number": invoice.number,
            "InvoiceDate": forms.day(invoice.invoice_date),
            "InvoiceDueDate": forms.day(invoice.due_date),
            "GrossAmount": forms.money(invoice.gross),
            "PONumber": invoice.po_number,
            "Memo": invoice.memo,
            "ImageUrl": invoice.image_url,
            "LastChangedDate": forms.stamp(invoice.last_changed),
            "BuyerVendor": {"VendorName": invoice.vendor_name, "VendorExternalSystemID": invoice.vendor_id},
            "BuyerVendorAccount": {"AccountNo": invoice.account_no},
            "TermType": {"termTypeName": invoice.terms},
            "Distributions": [self._distribution(line) for line in invoice.distributions],
        }
        if invoice.posting_date is not None:
            row["PostingDate"] = forms.day(invoice.posting_date)
        if invoice.currency is not None:
            row["CurrencyCode"] = invoice.currency
        return self._without_left_out(row)

    def payment(self, payment: Payment) -> Row:
        """A payment; what it does not have is null, and Remittances may be left to their own address."""
        forms = self._forms
        row: Row = {
            "PaymentId": forms.id(payment.id),
            "BatchId": forms.id(payment.batch_id),
            "CheckNumber": payment.check_number or None,
            "AvidPayChecknumber": payment.avidpay_check_number or None,
            "Amount": forms.money(payment.amount),
            "Status": {"Id": STATUS_IDS.get(payment.status, UNLISTED_ID), "Description": payment.status},
            "PaymentMethod": {"Id": METHOD_IDS.get(payment.method, UNLISTED_ID), "Description": payment.method},
            "PaymentDate": forms.day(payment.payment_date),
            "ClearedDate": forms.day(payment.cleared_date),
            "LastModifiedDate": forms.stamp(payment.last_modified),
            "ExternalPaymentIds": [{"Value": value} for value in payment.external_payment_ids],
            "BankAccount": {"ClientIds": list(payment.bank_client_ids)},
            "Exceptions": [{"ReasonCode": {"Id": number, "Description": text}} for number, text in payment.exceptions],
            "AchTraceNumber": payment.ach_trace_number or None,
            "VirtualCard": {"LastFour": payment.card_last_four} if payment.card_last_four else None,
            "Payee": {"ExternalId": {"Value": payment.payee_id}, "Name": payment.payee_name},
        }
        if payment.currency is not None:
            row["CurrencyCode"] = payment.currency
        if self._switches.payments_name_accounting_system and payment.accounting_system is not None:
            row["AccountingSystemId"] = forms.id(payment.accounting_system)
        if self._switches.remittances == "inline" and payment.remittances_listed:
            row["Remittances"] = [self.remittance(remittance) for remittance in payment.remittances]
        return self._without_left_out(row)

    def remittance(self, remittance: Remittance) -> Row:
        """One paid invoice of a payment."""
        forms = self._forms
        return {
            "Number": remittance.number,
            "ExternalId": {"Value": remittance.external_id},
            "Date": forms.day(remittance.date),
            "Gross": forms.money(remittance.gross),
            "Discount": forms.money(remittance.discount),
            "Net": forms.money(remittance.net),
            "CustomerAccountNumber": remittance.customer_account_number,
        }

    def _without_left_out(self, row: Row) -> Row:
        return {name: value for name, value in row.items() if name not in self._switches.left_out}

    def _distribution(self, line: Distribution) -> Json:
        codes: list[Json] = [
            {
                "EnterpriseCodeValue": code.value,
                "EnterpriseCodeValueDescription": code.description,
                "EnterpriseCodeGroups": [{"CodeGroupName": code.group}],
            }
            for code in line.codes
        ]
        return {"Amount": self._forms.money(line.amount), "Description": line.description, "EnterpriseCodes": codes}
